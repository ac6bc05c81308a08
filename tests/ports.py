"""Free ports for what binds them a little later: other programs that tests start."""

from __future__ import annotations

import random
import socket

_CHANCE = random.SystemRandom()
_RANGE = range(15_000, 30_000)


def free_ports(count: int) -> list[int]:
    """None of those that the system gives to connections that somebody opens meanwhile, nor of node ports. Free for TCP
    and UDP."""
    ports: list[int] = []
    while len(ports) < count:
        port = _CHANCE.choice(_RANGE)
        if port not in ports and all(_is_free(port, kind) for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)):
            ports.append(port)
    return ports


def free_port() -> int:
    return free_ports(1)[0]


def _is_free(port: int, kind: socket.SocketKind) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return False
    return True
