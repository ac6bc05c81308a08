"""The bytes of a connection that left HTTP behind: exec, attach and port-forward read and write here."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

HIGH_WATER = 1024 * 1024


class Upgraded(Protocol):
    """What is needed of the connection."""

    transport: asyncio.Transport | None

    async def drain(self) -> None: ...


class RawBytes:
    """`RawConnection` on a connection that was upgraded. What is not read holds the peer up."""

    def __init__(self, connection: Upgraded) -> None:
        self._connection = connection
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._paused = False
        self._ended = False
        self._waiter: asyncio.Future[None] | None = None

    def feed(self, data: bytes) -> None:
        if data:
            self._chunks.append(data)
            self._size += len(data)
            transport = self._connection.transport
            if self._size > HIGH_WATER and not self._paused and transport is not None:
                self._paused = True
                transport.pause_reading()
        else:
            self._ended = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def read(self) -> bytes:
        while not self._chunks:
            if self._ended:
                return b""
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        data = self._chunks.popleft()
        self._size -= len(data)
        if self._paused and self._size <= HIGH_WATER // 2 and self._connection.transport is not None:
            self._paused = False
            self._connection.transport.resume_reading()
        return data

    async def write(self, data: bytes) -> None:
        transport = self._connection.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError
        transport.write(data)
        await self._connection.drain()

    def close(self) -> None:
        if self._connection.transport is not None:
            self._connection.transport.close()
