"""The cluster's Pod range cut into equal ranges, one per Node. Pure book-keeping."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network


class Exhausted(Exception):
    """Every range is some Node's."""


class Ranges:
    def __init__(self, cluster: str, mask: int) -> None:
        self._cluster: IPv4Network | IPv6Network = ip_network(cluster)
        if mask < self._cluster.prefixlen:
            raise ValueError(f"{cluster} is too small for ranges of /{mask}")
        self._mask = mask
        self._size = 1 << (self._cluster.max_prefixlen - mask)
        self._count = 1 << (mask - self._cluster.prefixlen)
        self._holders: dict[int, str] = {}
        self._next = 0

    def hold(self, cidr: str, node: str) -> None:
        """A Node has this range already. Ranges of other clusters' making are left alone."""
        for index in self._indexes(cidr):
            self._holders.setdefault(index, node)

    def release(self, cidr: str, node: str) -> None:
        for index in self._indexes(cidr):
            if self._holders.get(index) == node:
                del self._holders[index]

    def allocate(self, node: str) -> str:
        """The next one after the last: the range of a Node that just went is used again as late as possible."""
        for step in range(self._count):
            index = (self._next + step) % self._count
            if index not in self._holders:
                self._holders[index] = node
                self._next = (index + 1) % self._count
                base = self._cluster.network_address + index * self._size
                return f"{base}/{self._mask}"
        raise Exhausted

    def _indexes(self, cidr: str) -> range:
        network = ip_network(cidr, strict=False)
        if network.version != self._cluster.version or not network.overlaps(self._cluster):
            return range(0)
        first = max(0, int(network.network_address) - int(self._cluster.network_address)) // self._size
        last = min(int(network.broadcast_address), int(self._cluster.broadcast_address))
        return range(first, (last - int(self._cluster.network_address)) // self._size + 1)
