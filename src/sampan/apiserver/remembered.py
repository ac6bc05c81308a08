"""What was found out about bytes, kept for when the same bytes come again.

A cluster writes the same over and over: the Pods of a controller have one spec, a Pod's updates leave its spec as it
is. Encoding a spec takes less than a microsecond, looking through it ten to thirty.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_LARGEST = 8192
_MOST_BYTES = 1024 * 1024


class Remembered(dict[K, V]):
    """By a key that holds bytes, or is bytes. Bounded: so many bytes of keys in all, and none that is large alone."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        super().__init__()
        self._most_bytes = most_bytes
        self._bytes = 0

    def keep(self, key: K, data: bytes, value: V) -> None:
        """`data` are the key's bytes."""
        if len(data) > _LARGEST:
            return
        self._bytes += len(data)
        if self._bytes > self._most_bytes:
            self.clear()
            self._bytes = len(data)
        self[key] = value
