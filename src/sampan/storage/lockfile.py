"""One process per store. The lock goes with its process, however that ends; the file says who holds it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from sampan.storage.contract import StoreInUse


class Lock:
    def __init__(self, handle: int) -> None:
        self._handle: int | None = handle

    @classmethod
    def take(cls, path: Path, *, of: Path) -> Lock:
        """Lock through the file at `path` what is at `of`."""
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 32, 0).decode(errors="replace").strip()
            os.close(handle)
            raise StoreInUse(path=of, pid=int(holder) if holder.isdecimal() else None) from None
        os.ftruncate(handle, 0)
        try:
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        except OSError:
            pass  # a full disk: the lock holds, it only cannot say by whom
        return cls(handle)

    def release(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
