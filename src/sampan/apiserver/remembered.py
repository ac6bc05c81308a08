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


class Remembered(dict[K, V]):
    """By a key that holds bytes, or is bytes. Bounded: at most `most` keys, and none of large bytes."""

    def __init__(self, most: int = 1024) -> None:
        super().__init__()
        self._most = most

    def keep(self, key: K, data: bytes, value: V) -> None:
        """`data` are the key's bytes."""
        if len(data) > _LARGEST:
            return
        if len(self) >= self._most:
            self.clear()
        self[key] = value
