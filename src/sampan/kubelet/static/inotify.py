"""inotify on one directory, for the event loop: a callback when anything in it changes."""

import asyncio
import ctypes
import os
from collections.abc import Callable
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
IN_CLOSE_WRITE, IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE, IN_DELETE = 0x8, 0x40, 0x80, 0x100, 0x200
CHANGES = IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE


class DirectoryWatch:
    def __init__(self, directory: Path, on_change: Callable[[], object]) -> None:
        self._on_change = on_change
        self._descriptor = _LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0 or _LIBC.inotify_add_watch(self._descriptor, os.fsencode(directory), CHANGES) < 0:
            number = ctypes.get_errno()
            raise OSError(number, f"watching {directory}: {os.strerror(number)}")
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._descriptor, self._readable)

    def _readable(self) -> None:
        try:
            os.read(self._descriptor, 65536)  # what happened is seen by looking at the directory
        except BlockingIOError:
            return
        self._on_change()

    def close(self) -> None:
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)
