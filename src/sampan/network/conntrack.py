"""Connections the kernel follows: find and forget them. For UDP, whose flows outlive the endpoint they lead to."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass

from .netlink import NetlinkSocket, Refused, nest, parse_attrs

_SUBSYSTEM, _GET, _DELETE = 1 << 8, 1, 2
_ORIGINAL, _REPLY = 1, 2
_HEADER = struct.pack(">BBH", socket.AF_INET, 0, 0)
UDP, TCP, SCTP = 17, 6, 132


@dataclass(frozen=True, slots=True)
class Flow:
    protocol: int
    source: str
    destination: str  # as the client addressed it
    port: int
    answered_by: str  # who really answers, after translation
    answered_port: int
    original: bytes  # the raw tuple, the kernel's key

    @property
    def translated(self) -> bool:
        return (self.destination, self.port) != (self.answered_by, self.answered_port)


def flows(netfilter: NetlinkSocket, protocol: int = UDP) -> list[Flow]:
    found = []
    for body in netfilter.dump(_SUBSYSTEM | _GET, _HEADER):
        flow = _flow(body)
        if flow is not None and flow.protocol == protocol:
            found.append(flow)
    return found


def _flow(body: bytes) -> Flow | None:
    attrs = parse_attrs(body, 4)
    there, back = attrs.get(_ORIGINAL), attrs.get(_REPLY)
    if there is None or back is None:
        return None
    original, reply = parse_attrs(there), parse_attrs(back)
    addresses, ports = parse_attrs(original[1]), parse_attrs(original[2])
    answer, answer_ports = parse_attrs(reply[1]), parse_attrs(reply[2])
    if 1 not in addresses or 3 not in ports:  # IPv6, or a protocol without ports
        return None
    return Flow(
        protocol=ports[1][0],
        source=socket.inet_ntoa(addresses[1]),
        destination=socket.inet_ntoa(addresses[2]),
        port=int(struct.unpack(">H", ports[3])[0]),
        answered_by=socket.inet_ntoa(answer[1]),
        answered_port=int(struct.unpack(">H", answer_ports[2])[0]),
        original=there,
    )


def forget(netfilter: NetlinkSocket, wanted: Callable[[Flow], bool], protocol: int = UDP) -> int:
    """End the flows `wanted` says yes to; their next packet is a new one and meets the rules of now."""
    gone = 0
    for flow in flows(netfilter, protocol):
        if wanted(flow):
            try:
                netfilter.call((_SUBSYSTEM | _DELETE, 0, _HEADER + nest(_ORIGINAL, flow.original)))
                gone += 1
            except Refused as refused:
                if refused.errno != errno.ENOENT:  # it ended by itself meanwhile
                    raise
    return gone


__all__ = ["SCTP", "TCP", "UDP", "Flow", "flows", "forget"]
