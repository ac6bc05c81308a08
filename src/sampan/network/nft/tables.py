"""The types of named sets and maps: what their keys and data are, for the kernel and for `nft list`."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from sampan.network.netlink import attr, nest

from .expressions import be32, be64

# nft's own numbers for its data types, and each one's size once padded to registers.
_TYPES = {"integer": (4, 4), "ipv4_addr": (7, 4), "inet_proto": (12, 4), "inet_service": (13, 4)}
_VERDICT = 0xFFFFFF00
_ANONYMOUS, _CONSTANT, _MAP, _TIMEOUT, _DYNAMIC = 1, 2, 8, 16, 32
_DYNAMIC_SIZE = 65_535


def _concatenated(fields: tuple[str, ...]) -> tuple[int, int]:
    number = size = 0
    for field in fields:
        kind, width = _TYPES[field]
        number = number << 6 | kind
        size += width
    return number, size


@dataclass(frozen=True, slots=True)
class SetType:
    key: tuple[str, ...]
    timeout_ms: int = 0  # above 0: rules may add elements, which end after this time

    def attrs(self) -> list[bytes]:
        kind, size = _concatenated(self.key)
        flags = (_TIMEOUT | _DYNAMIC if self.timeout_ms else 0) | self._flags()
        made = [be32(3, flags), be32(4, kind), be32(5, size), *self._data()]
        if self.timeout_ms:
            made += [nest(9, be32(1, _DYNAMIC_SIZE)), be64(11, self.timeout_ms)]
        return made

    def _flags(self) -> int:
        return 0

    def _data(self) -> list[bytes]:
        return []


@dataclass(frozen=True, slots=True)
class MapType(SetType):
    data: tuple[str, ...] = ()  # none: verdicts

    def _flags(self) -> int:
        return _MAP

    def _data(self) -> list[bytes]:
        if not self.data:
            return [be32(6, _VERDICT), be32(7, 0)]
        kind, size = _concatenated(self.data)
        return [be32(6, kind), be32(7, size)]


def anonymous_map_attrs(data: tuple[str, ...], length: int) -> list[bytes]:
    """A rule's own map from an index to `data` (none: verdicts), of known size: the cheapest kind."""
    index = MapType(key=("integer",), data=data)
    host_order = attr(13, struct.pack("=BBI", 0, 4, 1))  # for `nft list` only: the index is in the host's byte order
    return [be32(3, _ANONYMOUS | _CONSTANT | _MAP), *index.attrs()[1:], nest(9, be32(1, length)), host_order]
