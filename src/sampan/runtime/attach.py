"""Joining a container's own streams at conmon's attach socket. Each packet is a stream's number and bytes of it."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable

from sampan.runtime import conmon
from sampan.runtime.contract import ByteReader, ProcessStream
from sampan.runtime.errors import InvalidArgument, NotRunning
from sampan.runtime.node import Container, Node
from sampan.runtime.state import Phase
from sampan.runtime.streams import QueueReader, connect_unix

_STDOUT, _STDERR = 2, 3
_PACKET = 32768 + 1
LINGER = 1.0
"""Seconds for what a container answers at once to an input that has ended."""


class _SocketWriter:
    """The container's stdin. Its end is the end of our sending direction."""

    def __init__(self, connection: socket.socket, on_close: Callable[[], object]) -> None:
        self._connection = connection
        self._on_close = on_close
        self._open = True

    async def write(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        for start in range(0, len(data), 8192):
            if not self._open:
                return
            try:
                await loop.sock_sendall(self._connection, data[start : start + 8192])
            except OSError:
                self._open = False

    async def close(self) -> None:
        if self._open:
            self._open = False
            try:
                self._connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # the container ended meanwhile
            self._on_close()


class AttachStream(ProcessStream):
    def __init__(self, connection: socket.socket, container: Container, folder: str, *, stdin: bool) -> None:
        self._connection = connection
        self._container = container
        self._folder = folder
        self._out = QueueReader()
        self._err = None if container.record.config.tty else QueueReader()
        self.stdin = _SocketWriter(connection, self._no_more_input) if stdin else None
        self.stdout: ByteReader = self._out
        self.stderr: ByteReader | None = self._err
        self._left = asyncio.Event()
        self._pump = asyncio.ensure_future(self._receive())

    def _no_more_input(self) -> None:
        """A container whose stdin outlives us goes on; who came with input that has ended, leaves."""
        if not self._container.record.config.stdin_once:
            asyncio.get_running_loop().call_later(LINGER, self._left.set)

    async def _receive(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while packet := await loop.sock_recv(self._connection, _PACKET):
                target = self._err if packet[0] == _STDERR and self._err is not None else self._out
                target.feed(packet[1:])
                await target.drained()
        except OSError:
            pass  # conmon is gone: the end
        finally:
            for reader in (self._out, self._err):
                if reader is not None:
                    reader.feed_eof()

    async def resize(self, width: int, height: int) -> None:
        if self._container.record.config.tty and width > 0 and height > 0:
            try:
                conmon.resize(self._folder, width, height)
            except OSError:
                pass  # it ended meanwhile

    async def wait(self) -> int:
        ended = asyncio.ensure_future(self._container.ended.wait())
        left = asyncio.ensure_future(self._left.wait())
        try:
            await asyncio.wait((ended, left), return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended.cancel()
            left.cancel()
        if self._container.ended.is_set():
            return self._container.record.exit_code
        self._pump.cancel()  # its end is the end of the outputs
        return 0

    async def close(self) -> None:
        self._pump.cancel()
        await asyncio.wait((self._pump,))
        self._connection.close()


async def attach(node: Node, container_id: str, *, stdin: bool) -> ProcessStream:
    container = node.container(container_id)
    if container.record.phase is not Phase.RUNNING:
        raise NotRunning(f"container {container_id} is not running")
    if stdin and not container.record.config.stdin:
        raise InvalidArgument(f"container {container.record.config.name!r} does not take input (stdin is false)")
    folder = node.folder(container)
    try:
        connection = connect_unix(folder, "attach", socket.SOCK_SEQPACKET)
    except OSError as error:
        raise NotRunning(f"cannot attach to container {container_id}: {os.strerror(error.errno or 0)}") from error
    return AttachStream(connection, container, folder, stdin=stdin)
