"""Addresses that nobody can reach: ranges for simulated nodes, and Pods' addresses in them. Pure.

They come from 100.64.0.0/10, which is nobody's on the internet and not what clusters use, so that thousands of nodes
leave the cluster's own range to the real ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network

WHOLE = IPv4Network("100.64.0.0/10")
WIDEST, NARROWEST = 16, 24


class NoAddresses(Exception):
    """They are all taken."""


def ranges(count: int, pods: int, taken: Iterable[str]) -> list[str]:
    """`count` ranges for so many Pods each, behind those that are taken."""
    prefix = max(WIDEST, min(NARROWEST, 32 - (pods + 2).bit_length()))
    size = 1 << (32 - prefix)
    ends = [int(n.broadcast_address) + 1 for n in map(_network, taken) if n is not None and n.subnet_of(WHOLE)]
    first = max([int(WHOLE.network_address), *ends])
    first += -first % size
    if first + count * size > int(WHOLE.broadcast_address) + 1:
        raise NoAddresses(f"{WHOLE} has no room for {count} more nodes with {pods} Pods each")
    return [f"{IPv4Address(first + at * size)}/{prefix}" for at in range(count)]


def host_ip(cidr: str) -> str:
    network = _network(cidr) or IPv4Network("100.127.0.0/16")
    return str(network.network_address + 1)


class Pool:
    """The addresses of one node's Pods, by their uids."""

    def __init__(self, cidr: str) -> None:
        network = _network(cidr) or IPv4Network("100.127.0.0/16")
        self._first, self._last = int(network.network_address) + 2, int(network.broadcast_address) - 1
        self._cursor = self._first
        self._by_pod: dict[str, str] = {}
        self._taken: set[str] = set()

    def hold(self, uid: str, address: str) -> None:
        """The Pod has it already."""
        self._by_pod[uid] = address
        self._taken.add(address)

    def take(self, uid: str) -> str:
        """The same one however often it is asked."""
        known = self._by_pod.get(uid)
        if known is not None:
            return known
        for _ in range(self._last - self._first + 1):
            address = str(IPv4Address(self._cursor))
            self._cursor = self._cursor + 1 if self._cursor < self._last else self._first
            if address not in self._taken:
                self.hold(uid, address)
                return address
        raise NoAddresses("every address of the node's range is taken")

    def release(self, uid: str) -> None:
        address = self._by_pod.pop(uid, None)
        if address is not None:
            self._taken.discard(address)


def _network(text: str) -> IPv4Network | None:
    try:
        return IPv4Network(text)
    except ValueError:
        return None
