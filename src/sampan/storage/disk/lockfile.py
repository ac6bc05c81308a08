"""One server per store. The lock goes with the process that writes, however that ends; the file says for whom it is
held."""

from __future__ import annotations

import fcntl
import os
import time

from sampan.storage.disk.faults import IN_USE, Fault

_PATIENCE = 5.0  # seconds: for a store's process that is about to notice that its server is gone


class Lock:
    def __init__(self, handle: int) -> None:
        self._handle: int | None = handle

    @classmethod
    def take(cls, path: str, *, of: str, owner: int) -> Lock:
        """Lock what is at `of` through the file at `path`, for the process `owner`."""
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + _PATIENCE
        while not _try(handle):
            holder = os.pread(handle, 32, 0).decode(errors="replace").strip()
            if (holder.isdecimal() and is_alive(int(holder))) or time.monotonic() > deadline:
                os.close(handle)
                raise Fault(IN_USE, f"{of} is in use by process {holder}", int(holder) if holder.isdecimal() else None)
            time.sleep(0.005)
        os.ftruncate(handle, 0)
        try:
            os.pwrite(handle, f"{owner}\n".encode(), 0)
        except OSError:
            pass  # a full disk: the lock holds, it only cannot say for whom
        return cls(handle)

    def release(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def _try(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_alive(process: int) -> bool:
    """Whether it is there, and not just waiting to be buried."""
    try:
        with open(f"/proc/{process}/stat", "rb") as stat:
            return stat.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except OSError:
        return False
