"""Descriptors as the contract's streams: pipes, terminals and conmon's packet socket, straight on the event loop."""

from __future__ import annotations

import asyncio
import errno
import os
import socket


class FdReader:
    """Reads a descriptor as it becomes readable; takes it over. A terminal that nobody has any more is at its end."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._loop = asyncio.get_running_loop()
        self._end = False
        os.set_blocking(fd, False)

    async def read(self, n: int = -1) -> bytes:
        size = 65536 if n < 0 else n
        while not self._end:
            try:
                data = os.read(self._fd, size)
            except BlockingIOError:
                await self._readable()
                continue
            except OSError as error:
                if error.errno not in (errno.EIO, errno.EBADF):
                    raise
                data = b""
            if not data:
                self._end = True
            return data
        return b""

    async def _readable(self) -> None:
        ready = asyncio.Event()
        self._loop.add_reader(self._fd, ready.set)
        try:
            await ready.wait()
        finally:
            if self._fd >= 0:
                self._loop.remove_reader(self._fd)

    def close(self) -> None:
        self._end = True
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1


class FdWriter:
    """Writes a descriptor as it takes the bytes; takes it over. Bytes for nobody are dropped."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._loop = asyncio.get_running_loop()
        os.set_blocking(fd, False)

    async def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view and self._fd >= 0:
            try:
                view = view[os.write(self._fd, view) :]
            except BlockingIOError:
                await self._writable()
            except OSError:
                return  # nobody reads any more

    async def _writable(self) -> None:
        ready = asyncio.Event()
        self._loop.add_writer(self._fd, ready.set)
        try:
            await ready.wait()
        finally:
            if self._fd >= 0:
                self._loop.remove_writer(self._fd)

    async def close(self) -> None:
        self.close_now()

    def close_now(self) -> None:
        if self._fd >= 0:
            self._loop.remove_writer(self._fd)
            os.close(self._fd)
            self._fd = -1


class TerminalWriter(FdWriter):
    """Input of a terminal: its end is a character (Ctrl-D), for the terminal itself has to stay."""

    async def close(self) -> None:
        await self.write(b"\x04")


class QueueReader:
    """Bytes handed on by somebody else on this loop. `full` tells who feeds it to wait a little."""

    LIMIT = 1 << 20

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._end = False
        self._changed = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()

    def feed(self, data: bytes) -> None:
        self._buffer += data
        self._changed.set()
        if len(self._buffer) >= self.LIMIT:
            self._drained.clear()

    async def drained(self) -> None:
        await self._drained.wait()

    def feed_eof(self) -> None:
        self._end = True
        self._changed.set()
        self._drained.set()

    async def read(self, n: int = -1) -> bytes:
        while not self._buffer and not self._end:
            self._changed.clear()
            await self._changed.wait()
        size = len(self._buffer) if n < 0 else n
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        if len(self._buffer) < self.LIMIT:
            self._drained.set()
        return data


def receive_fd(connection: socket.socket) -> int:
    """A descriptor that was sent over the socket: how OCI runtimes hand out a terminal."""
    _, fds, _, _ = socket.recv_fds(connection, 4096, 1)
    if not fds:
        raise OSError(errno.EPROTO, "the OCI runtime sent no terminal")
    os.set_inheritable(fds[0], False)
    return fds[0]


def connect_unix(folder: str, name: str, kind: socket.SocketKind) -> socket.socket:
    """By way of the folder's descriptor: the address of a socket has room for 107 bytes only."""
    fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    connection = socket.socket(socket.AF_UNIX, kind)
    try:
        connection.connect(f"/proc/self/fd/{fd}/{name}")
    except BaseException:
        connection.close()
        raise
    finally:
        os.close(fd)
    connection.setblocking(False)
    return connection
