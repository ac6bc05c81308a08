"""File locks: what keeps the agent and a `sampan image` command apart over one store.

A lock is an flock on a file that may be unlinked by its holder, so whoever gets it checks that it is still the file of
that name. The kernel lets go when the holder dies, however it dies; and processes started with the descriptor keep it
held.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

_FIRST_WAIT = 0.01
_LONGEST_WAIT = 0.25


class FileLock:
    """A held exclusive lock; also the open file, which may carry the data itself (a half-fetched blob)."""

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self.fd = fd

    def release(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def release_and_unlink(self) -> None:
        """For lock files that are nothing else: the next one makes a new file."""
        if self.fd >= 0:
            self.path.unlink(missing_ok=True)
            self.release()


def try_lock(path: Path, *, shared: bool = False) -> FileLock | None:
    """The lock, or None while somebody holds it."""
    return _lock(path, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)


def _lock(path: Path, how: int) -> FileLock | None:
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, how)
            if _is_at(fd, path):
                return FileLock(path, fd)
        except BlockingIOError:
            os.close(fd)
            return None
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)  # its last holder unlinked it while we waited


def _is_at(fd: int, path: Path) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    mine = os.fstat(fd)
    return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Blocks (use it in a thread), for what takes milliseconds."""
    lock = _lock(path, fcntl.LOCK_EX)
    assert lock is not None
    try:
        yield
    finally:
        lock.release()


@contextlib.asynccontextmanager
async def waiting_for(path: Path) -> AsyncIterator[FileLock]:
    """For what takes long: waits without a thread, and may be cancelled. The file is gone afterwards."""
    wait = _FIRST_WAIT
    while (lock := try_lock(path)) is None:
        await asyncio.sleep(wait)
        wait = min(wait * 2, _LONGEST_WAIT)
    try:
        yield lock
    finally:
        lock.release_and_unlink()
