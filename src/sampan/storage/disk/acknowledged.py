"""The highest revision that was ever acknowledged, in a small file beside the database.

A write-ahead log that is cut short or damaged at its end looks, to SQLite, just like one that ended there: the last
commits would vanish without a word. This file remembers how far it went. It is written through a memory map after each
commit, without a system call and without fsync: it survives the process, and after a power cut it may be behind the
database but never ahead.
"""

from __future__ import annotations

import mmap
import os
import struct
from zlib import crc32

from sampan.storage.disk.faults import CORRUPT, Fault

_SLOT = struct.Struct("<QI4x")  # revision, checksum
_SLOTS = 2  # written in turn, so that one is whole whenever the process dies


class Acknowledged:
    def __init__(self, *, revision: int, turn: int, memory: mmap.mmap) -> None:
        self.revision = revision
        self._turn = turn
        self._memory: mmap.mmap | None = memory

    @classmethod
    def open(cls, path: str) -> Acknowledged:
        """Open the file, or make it. Its revision is 0 when it is new."""
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            size = _SLOT.size * _SLOTS
            content = os.pread(handle, size + 1, 0)
            if not content:
                content = _slot(0) * _SLOTS
                os.pwrite(handle, content, 0)
                os.fsync(handle)  # the blocks are there from now on: a full disk cannot hurt
            revisions = _read(content) if len(content) == size else [-1]
            if max(revisions) < 0:
                raise Fault(
                    CORRUPT,
                    f"{path} is damaged, so it cannot be told whether the database beside it is complete. "
                    "Restore a snapshot; or remove that file to go on with what the database holds",
                )
            oldest = revisions.index(min(revisions))
            return cls(revision=max(revisions), turn=oldest, memory=mmap.mmap(handle, size))
        finally:
            os.close(handle)

    def advance(self, revision: int) -> None:
        if self._memory is None or revision <= self.revision:
            return
        self.revision = revision
        self._memory[self._turn * _SLOT.size : (self._turn + 1) * _SLOT.size] = _slot(revision)
        self._turn = 1 - self._turn

    def close(self) -> None:
        if self._memory is not None:
            self._memory.flush()
            self._memory.close()
            self._memory = None


def _slot(revision: int) -> bytes:
    return _SLOT.pack(revision, crc32(struct.pack("<Q", revision)))


def _read(content: bytes) -> list[int]:
    """Each slot's revision; -1 for one that is not whole."""
    return [
        revision if checksum == crc32(struct.pack("<Q", revision)) else -1
        for revision, checksum in _SLOT.iter_unpack(content)
    ]
