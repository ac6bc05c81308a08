"""Keys in byte order, cheap to add to and to walk: a list of short sorted lists.

One long list costs a move of half of it per insertion; here it is half of one block. Code points sort as UTF-8 bytes
do.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator

_BLOCK = 512


class SortedKeys:
    def __init__(self, keys: Iterable[str] = ()) -> None:
        ordered = sorted(keys)
        self._blocks = [ordered[i : i + _BLOCK] for i in range(0, len(ordered), _BLOCK)]
        self._firsts = [block[0] for block in self._blocks]

    def add(self, key: str) -> None:
        """Add a key that is not there yet."""
        if not self._blocks:
            self._blocks.append([key])
            self._firsts.append(key)
            return
        at = max(bisect_right(self._firsts, key) - 1, 0)
        block = self._blocks[at]
        insort(block, key)
        self._firsts[at] = block[0]
        if len(block) > 2 * _BLOCK:
            tail = block[_BLOCK:]
            del block[_BLOCK:]
            self._blocks.insert(at + 1, tail)
            self._firsts.insert(at + 1, tail[0])

    def remove(self, key: str) -> None:
        """Remove a key that is there."""
        at = bisect_right(self._firsts, key) - 1
        block = self._blocks[at]
        del block[bisect_left(block, key)]
        if block:
            self._firsts[at] = block[0]
        else:
            del self._blocks[at], self._firsts[at]

    def under(self, prefix: str, *, after: str | None = None) -> Iterator[str]:
        """The keys that start with `prefix` and come after `after`. Do not add or remove while walking."""
        if after is not None and after >= prefix:
            at = max(bisect_right(self._firsts, after) - 1, 0)
            start = bisect_right(self._blocks[at], after) if self._blocks else 0
        else:
            at = max(bisect_right(self._firsts, prefix) - 1, 0)
            start = bisect_left(self._blocks[at], prefix) if self._blocks else 0
        for block in self._blocks[at:]:
            for key in block[start:] if start else block:
                if not key.startswith(prefix):
                    return
                yield key
            start = 0
