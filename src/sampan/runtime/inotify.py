"""Directory and file changes as the kernel tells them, on the event loop: no thread, no polling."""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import Callable

from sampan.runtime import syscalls

_HEADER = struct.Struct("iIII")


class Inotify:
    """Calls back with (mask, name) for each change under the watched path; name is empty for a watched file itself."""

    def __init__(self, path: str, mask: int, callback: Callable[[int, str], None]) -> None:
        self._fd = syscalls.inotify_init()
        self._callback = callback
        try:
            syscalls.inotify_add(self._fd, path, mask)
        except OSError:
            os.close(self._fd)
            raise
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._fd, self._read)

    def _read(self) -> None:
        try:
            data = os.read(self._fd, 65536)
        except BlockingIOError:
            return
        offset = 0
        while offset < len(data):
            _, mask, _, length = _HEADER.unpack_from(data, offset)
            offset += _HEADER.size
            name = data[offset : offset + length].rstrip(b"\0")
            offset += length
            self._callback(mask, os.fsdecode(name))

    def close(self) -> None:
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1
