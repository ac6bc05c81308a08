"""Links, addresses, neighbours and routes of the namespace this thread is in, over one rtnetlink socket."""

from __future__ import annotations

import errno
import socket
import struct
from dataclasses import dataclass
from ipaddress import IPv4Network

from .netlink import (
    F_CREATE,
    F_EXCL,
    F_REPLACE,
    NETLINK_ROUTE,
    NetlinkSocket,
    Refused,
    attr,
    attr_str,
    attr_u8,
    attr_u32,
    first,
    nest,
    parse_attrs,
)

NEWLINK, DELLINK, GETLINK = 16, 17, 18
NEWADDR, DELADDR = 20, 21
NEWROUTE, DELROUTE, GETROUTE = 24, 25, 26
NEWNEIGH, GETNEIGH = 28, 30

_IFINFO = struct.Struct("=BxHiII")
_IFADDR = struct.Struct("=BBBBI")
_RTMSG = struct.Struct("=BBBBBBBBI")
_NDMSG = struct.Struct("=BxxxiHBB")

_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_MASTER, _IFLA_LINKINFO, _IFLA_AF_SPEC = 1, 3, 4, 10, 18, 26
_IFLA_NET_NS_FD, _IFLA_GROUP = 28, 27
_INFO_KIND, _INFO_DATA, _VETH_PEER = 1, 2, 1
_VXLAN_ID, _VXLAN_LEARNING, _VXLAN_PORT = 1, 7, 15
_NDA_DST, _NDA_LLADDR = 1, 2
_PERMANENT, _NTF_SELF, _AF_BRIDGE = 0x80, 0x02, 7
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PREFSRC, _RTA_METRICS, _METRIC_MTU = 1, 4, 5, 7, 8, 2
_IFF_UP = 1
_MAIN_TABLE, _SCOPE_UNIVERSE, _SCOPE_LINK, _UNICAST, _UNREACHABLE = 254, 0, 253, 1, 7
_ONLINK = 4

PROTOCOL = 83  # marks routes as ours ("S"): other daemons and `ip route` can tell them apart

Request = tuple[int, int, bytes]


@dataclass(frozen=True, slots=True)
class Link:
    index: int
    name: str
    mtu: int
    kind: str
    up: bool


@dataclass(frozen=True, slots=True)
class Route:
    destination: IPv4Network
    gateway: str | None
    oif: int
    protocol: int
    table: int


def _no_link_local() -> bytes:
    """No IPv6 link-local address: it would only cause traffic and wake-ups on every Pod's interface."""
    return nest(_IFLA_AF_SPEC, nest(socket.AF_INET6, attr_u8(8, 1)))


def _ip(address: str) -> bytes:
    return socket.inet_aton(address)


def make_bridge(name: str, mtu: int, *, kind: str = "bridge") -> Request:
    info = nest(_IFLA_LINKINFO, attr_str(_INFO_KIND, kind))
    body = _IFINFO.pack(0, 0, 0, 0, 0)
    return NEWLINK, F_CREATE | F_EXCL, body + attr_str(_IFLA_IFNAME, name) + attr_u32(_IFLA_MTU, mtu) + info


def set_master(index: int, master: int) -> Request:
    return NEWLINK, 0, _IFINFO.pack(0, 0, index, 0, 0) + attr_u32(_IFLA_MASTER, master)


def make_veth(name: str, peer: str, namespace_fd: int, *, mtu: int, mac: bytes = b"", peer_mac: bytes = b"") -> Request:
    """A pair: `name` here, `peer` in the other namespace; both down."""
    there = _IFINFO.pack(0, 0, 0, 0, 0) + attr_str(_IFLA_IFNAME, peer) + attr_u32(_IFLA_MTU, mtu)
    there += attr_u32(_IFLA_NET_NS_FD, namespace_fd)
    here = _IFINFO.pack(0, 0, 0, 0, 0) + attr_str(_IFLA_IFNAME, name) + attr_u32(_IFLA_MTU, mtu)
    if peer_mac:
        there += attr(_IFLA_ADDRESS, peer_mac)
    if mac:
        here += attr(_IFLA_ADDRESS, mac)
    data = nest(_INFO_DATA, nest(_VETH_PEER, there))
    return NEWLINK, F_CREATE | F_EXCL, here + nest(_IFLA_LINKINFO, attr_str(_INFO_KIND, "veth"), data)


def set_up(index: int) -> Request:
    return NEWLINK, 0, _IFINFO.pack(0, 0, index, _IFF_UP, _IFF_UP)


def quiet_ipv6(index: int) -> Request:
    return NEWLINK, 0, _IFINFO.pack(0, 0, index, 0, 0) + _no_link_local()


def drop_link(name: str) -> Request:
    return DELLINK, 0, _IFINFO.pack(0, 0, 0, 0, 0) + attr_str(_IFLA_IFNAME, name)


def join_group(name: str, group: int) -> Request:
    return NEWLINK, 0, _IFINFO.pack(0, 0, 0, 0, 0) + attr_str(_IFLA_IFNAME, name) + attr_u32(_IFLA_GROUP, group)


def drop_group(group: int) -> Request:
    """All links of a group at once: the kernel waits for its readers once per request, not once per link."""
    return DELLINK, 0, _IFINFO.pack(0, 0, 0, 0, 0) + attr_u32(_IFLA_GROUP, group)


def add_address(index: int, address: str, prefix: int = 32) -> Request:
    body = _IFADDR.pack(socket.AF_INET, prefix, 0, 0, index) + attr(2, _ip(address)) + attr(1, _ip(address))
    return NEWADDR, F_CREATE | F_REPLACE, body


def add_neighbour(index: int, address: str, mac: bytes) -> Request:
    """A permanent one: nobody has to ask for it and it works whatever the host's ARP settings are."""
    body = _NDMSG.pack(socket.AF_INET, index, _PERMANENT, 0, 0)
    return NEWNEIGH, F_CREATE | F_REPLACE, body + attr(_NDA_DST, _ip(address)) + attr(_NDA_LLADDR, mac)


def make_vxlan(name: str, *, vni: int, port: int, mtu: int, mac: bytes) -> Request:
    """It learns nothing by itself: `forward` says where each neighbour is."""
    data = attr_u32(_VXLAN_ID, vni) + attr_u8(_VXLAN_LEARNING, 0) + attr(_VXLAN_PORT, struct.pack("!H", port))
    info = nest(_IFLA_LINKINFO, attr_str(_INFO_KIND, "vxlan"), nest(_INFO_DATA, data))
    body = _IFINFO.pack(0, 0, 0, 0, 0) + attr_str(_IFLA_IFNAME, name) + attr_u32(_IFLA_MTU, mtu)
    return NEWLINK, F_CREATE | F_EXCL, body + attr(_IFLA_ADDRESS, mac) + info


def forward(index: int, mac: bytes, to: str) -> Request:
    """Frames for this neighbour of a tunnel go to that host."""
    body = _NDMSG.pack(_AF_BRIDGE, index, _PERMANENT, _NTF_SELF, 0)
    return NEWNEIGH, F_CREATE | F_REPLACE, body + attr(_NDA_LLADDR, mac) + attr(_NDA_DST, _ip(to))


def neighbours(rtnl: NetlinkSocket, index: int) -> set[str]:
    """The addresses behind a device that are set for good."""
    found = set()
    for body in rtnl.dump(GETNEIGH, _NDMSG.pack(socket.AF_INET, 0, 0, 0, 0)):
        _, at, state, _, _ = _NDMSG.unpack_from(body)
        address = parse_attrs(body, 12).get(_NDA_DST, b"")
        if at == index and state & _PERMANENT and len(address) == 4:
            found.add(socket.inet_ntoa(address))
    return found


def add_route(
    destination: IPv4Network, *, oif: int = 0, gateway: str | None = None, source: str | None = None, mtu: int = 0
) -> Request:
    """Through a gateway that is reachable on `oif` even when its address is in no subnet there, or straight to it."""
    flags = _ONLINK if gateway and oif else 0
    scope = _SCOPE_UNIVERSE if gateway else _SCOPE_LINK
    body = _RTMSG.pack(
        socket.AF_INET, destination.prefixlen, 0, 0, _MAIN_TABLE, PROTOCOL, scope, _UNICAST, flags
    ) + attr(_RTA_DST, destination.network_address.packed)
    if oif:
        body += attr_u32(_RTA_OIF, oif)
    if gateway:
        body += attr(_RTA_GATEWAY, _ip(gateway))
    if source:
        body += attr(_RTA_PREFSRC, _ip(source))
    if mtu:
        body += nest(_RTA_METRICS, attr_u32(_METRIC_MTU, mtu))
    return NEWROUTE, F_CREATE | F_REPLACE, body


def add_unreachable(destination: IPv4Network) -> Request:
    body = _RTMSG.pack(
        socket.AF_INET, destination.prefixlen, 0, 0, _MAIN_TABLE, PROTOCOL, _SCOPE_UNIVERSE, _UNREACHABLE, 0
    )
    return NEWROUTE, F_CREATE | F_REPLACE, body + attr(_RTA_DST, destination.network_address.packed)


def drop_route(destination: IPv4Network) -> Request:
    """Only one of ours goes."""
    body = _RTMSG.pack(socket.AF_INET, destination.prefixlen, 0, 0, _MAIN_TABLE, PROTOCOL, 255, 0, 0)
    return DELROUTE, 0, body + attr(_RTA_DST, destination.network_address.packed)


def find_link(rtnl: NetlinkSocket, name: str) -> Link | None:
    try:
        answer = first(rtnl.call((GETLINK, 0, _IFINFO.pack(0, 0, 0, 0, 0) + attr_str(_IFLA_IFNAME, name))))
    except Refused as refused:
        if refused.errno == errno.ENODEV:
            return None
        raise
    return _link(answer) if answer else None


def all_links(rtnl: NetlinkSocket) -> list[Link]:
    return [_link(body) for body in rtnl.dump(GETLINK, _IFINFO.pack(0, 0, 0, 0, 0))]


def _link(body: bytes) -> Link:
    _, _, index, flags, _ = _IFINFO.unpack_from(body)
    attrs = parse_attrs(body, 16)
    kind = parse_attrs(attrs.get(_IFLA_LINKINFO, b"")).get(_INFO_KIND, b"").rstrip(b"\0").decode()
    name = attrs[_IFLA_IFNAME].rstrip(b"\0").decode()
    return Link(index, name, int(struct.unpack("=I", attrs[_IFLA_MTU])[0]), kind, bool(flags & _IFF_UP))


def all_routes(rtnl: NetlinkSocket) -> list[Route]:
    """The main table's IPv4 routes."""
    found = []
    for body in rtnl.dump(GETROUTE, _RTMSG.pack(socket.AF_INET, 0, 0, 0, 0, 0, 0, 0, 0)):
        _, prefix, _, _, table, protocol, _, _, _ = _RTMSG.unpack_from(body)
        if table != _MAIN_TABLE:
            continue
        attrs = parse_attrs(body, 12)
        gateway = attrs.get(_RTA_GATEWAY)
        found.append(
            Route(
                IPv4Network((attrs.get(_RTA_DST, bytes(4)), prefix)),
                socket.inet_ntoa(gateway) if gateway else None,
                int(struct.unpack("=I", attrs.get(_RTA_OIF, bytes(4)))[0]),
                protocol,
                table,
            )
        )
    return found


def open_rtnl() -> NetlinkSocket:
    return NetlinkSocket(NETLINK_ROUTE)
