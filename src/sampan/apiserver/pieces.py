"""A body of many megabytes, made piece by piece as it is sent.

A list of 17,000 Pods has 45 MB. Joined as a whole it costs more time for fresh memory than for all else (40 ms of CPU
instead of 3), takes that memory from everybody, and keeps the loop from everybody until it is sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

# Shorter bodies are sent at once.
LONG = 2 * 1024 * 1024
PIECE = 256 * 1024


class Pieces:
    """`head`, the parts with a separator between them, `end`. The parts do not change; their number does not either."""

    __slots__ = ("_end", "_head", "_length", "_parts", "_separator")

    def __init__(self, head: bytes, parts: Sequence[bytes], separator: bytes, end: bytes) -> None:
        self._head = head
        self._parts = parts
        self._separator = separator
        self._end = end
        self._length = len(head) + sum(map(len, parts)) + len(separator) * (len(parts) - 1) + len(end)

    def __len__(self) -> int:
        return self._length

    def __bytes__(self) -> bytes:
        return self._head + self._separator.join(self._parts) + self._end

    def __iter__(self) -> Iterator[bytes]:
        """Of about `PIECE` bytes each, so that what is joined is still in the processor's cache when it is sent."""
        parts, separator = self._parts, self._separator
        each = max(1, len(parts) * PIECE // max(1, self._length))
        yield self._head
        for start in range(0, len(parts), each):
            piece = separator.join(parts[start : start + each])
            yield separator + piece if start else piece
        yield self._end


def slices(body: bytes) -> Iterator[memoryview]:
    view = memoryview(body)
    for start in range(0, len(view), PIECE):
        yield view[start : start + PIECE]
