"""Values at hand: the newest written ones, up to a number of bytes. Anything here saves a read from disk, nothing
relies on it."""

from __future__ import annotations

from collections import OrderedDict


class RecentValues:
    def __init__(self, *, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._values: OrderedDict[int, bytes] = OrderedDict()  # oldest first

    def __len__(self) -> int:
        return len(self._values)

    def get(self, revision: int) -> bytes | None:
        return self._values.get(revision)

    def put(self, revision: int, value: bytes) -> None:
        self._values[revision] = value
        self._bytes += len(value)
        while self._bytes > self._max_bytes:
            _, oldest = self._values.popitem(last=False)
            self._bytes -= len(oldest)

    def drop(self, revision: int) -> None:
        value = self._values.pop(revision, None)
        if value is not None:
            self._bytes -= len(value)
