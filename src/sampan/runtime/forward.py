"""Connections into a sandbox's network. A socket belongs to the namespace its maker was in, so only the making of it
takes place over there, in a thread that goes and does not come back."""

from __future__ import annotations

import asyncio
import os
import socket
import threading

from sampan.runtime import syscalls
from sampan.runtime.contract import ByteReader, StreamPair
from sampan.runtime.errors import NotRunning, RuntimeFault
from sampan.runtime.node import Node


class _StreamWriter:
    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        try:
            await self._writer.drain()
        except OSError:
            pass  # the other side is gone; the reader will say so

    async def close(self) -> None:
        if self._writer.can_write_eof() and not self._writer.is_closing():
            try:
                self._writer.write_eof()
            except OSError:
                self._writer.close()


class ForwardReader:
    """Closes the connection when it has been read to its end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self, n: int = -1) -> bytes:
        try:
            data = await self._reader.read(65536 if n < 0 else n)
        except OSError:
            data = b""
        if not data:
            self._writer.close()
        return data


async def port_forward(node: Node, sandbox_id: str, port: int) -> StreamPair:
    record = node.sandbox(sandbox_id).record
    if not record.ready:
        raise NotRunning(f"sandbox {sandbox_id} is not running")
    problem: OSError = ConnectionRefusedError(111, f"nothing listens on port {port}")
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            connection = await _socket_in(record.config.netns_path, family)
        except OSError:
            continue  # a network without this family
        try:
            await asyncio.get_running_loop().sock_connect(connection, (address, port))
        except OSError as error:
            connection.close()
            if family == socket.AF_INET:
                problem = error
            continue
        except BaseException:
            connection.close()
            raise
        reader, writer = await asyncio.open_connection(sock=connection)
        wrapped: ByteReader = ForwardReader(reader, writer)
        return StreamPair(wrapped, _StreamWriter(writer))
    raise problem


async def _socket_in(netns_path: str, family: socket.AddressFamily) -> socket.socket:
    if not netns_path:
        made = socket.socket(family, socket.SOCK_STREAM)
        made.setblocking(False)
        return made
    loop = asyncio.get_running_loop()
    done: asyncio.Future[socket.socket] = loop.create_future()

    def settle(made: socket.socket | None, error: OSError | None) -> None:
        if done.done():
            if made is not None:
                made.close()
        elif error is not None:
            done.set_exception(error)
        elif made is not None:
            done.set_result(made)
        else:
            done.set_exception(RuntimeFault("no socket was made"))

    def body() -> None:
        made, problem = None, None
        try:
            fd = os.open(netns_path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                syscalls.setns(fd, syscalls.CLONE_NEWNET)  # this thread ends after this: it need not come back
            finally:
                os.close(fd)
            made = socket.socket(family, socket.SOCK_STREAM)
            made.setblocking(False)
        except OSError as error:
            problem = error
        loop.call_soon_threadsafe(settle, made, problem)

    threading.Thread(target=body, name="netns", daemon=True).start()
    return await done
