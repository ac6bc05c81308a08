"""SPDY streams on a connection: what the client opened, and queues of what it sent."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from sampan.apiserver.request import RawConnection
from sampan.apiserver.streams import spdy

_CHUNK = 32 * 1024
# What a stream may hold that nobody reads yet; past it the whole connection waits, as TCP would have it.
_HIGH_WATER = 1024 * 1024


class SpdyStream:
    """One stream. `read` gives what the client wrote, empty at its end."""

    def __init__(self, session: SpdySession, number: int, headers: dict[str, str]) -> None:
        self.number = number
        self.headers = headers
        self._session = session
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._ended = False
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._closed = False

    async def read(self) -> bytes:
        while not self._chunks:
            if self._ended:
                return b""
            self._changed.clear()
            await self._changed.wait()
        chunk = self._chunks.popleft()
        self._size -= len(chunk)
        if self._size <= _HIGH_WATER // 2:
            self._room.set()
        return chunk

    async def write(self, data: bytes) -> None:
        for at in range(0, len(data), _CHUNK):
            await self._session.send(spdy.data_frame(self.number, data[at : at + _CHUNK]))

    async def close(self) -> None:
        """Our half: nothing more will be written."""
        if not self._closed:
            self._closed = True
            await self._session.send(spdy.data_frame(self.number, b"", final=True))

    async def feed(self, data: bytes, *, final: bool) -> None:
        if data and not self._ended:
            self._chunks.append(data)
            self._size += len(data)
            if self._size > _HIGH_WATER:
                self._room.clear()
        if final:
            self._ended = True
            self._room.set()
        self._changed.set()
        await self._room.wait()

    def abort(self) -> None:
        self._ended = self._closed = True
        self._chunks.clear()
        self._room.set()
        self._changed.set()


class SpdySession:
    """The server's side. `opened` is called for each stream that the client opens."""

    def __init__(self, connection: RawConnection, opened: Callable[[SpdyStream], None]) -> None:
        self._connection = connection
        self._opened = opened
        self._reader = spdy.Reader()
        self._writer = spdy.Writer()
        self.streams: dict[int, SpdyStream] = {}
        self._last = 0

    async def send(self, data: bytes) -> None:
        await self._connection.write(data)

    async def run(self) -> None:
        """Until the client is gone."""
        try:
            while data := await self._connection.read():
                for frame in self._reader.feed(data):
                    await self._take(frame)
        except (spdy.SpdyError, ConnectionError):
            pass
        finally:
            for stream in self.streams.values():
                stream.abort()

    async def _take(self, frame: spdy.Frame) -> None:
        if frame.kind == spdy.SYN_STREAM:
            stream = self.streams[frame.number] = SpdyStream(self, frame.number, frame.headers or {})
            self._last = frame.number
            await self.send(self._writer.syn_reply(frame.number))
            if frame.final:
                await stream.feed(b"", final=True)
            self._opened(stream)
        elif frame.kind == spdy.DATA:
            known = self.streams.get(frame.number)
            if known is not None:
                await known.feed(frame.data, final=frame.final)
        elif frame.kind == spdy.PING:
            await self.send(spdy.ping(frame.number))
        elif frame.kind == spdy.RST_STREAM:
            gone = self.streams.pop(frame.number, None)
            if gone is not None:
                gone.abort()

    def forget(self, stream: SpdyStream) -> None:
        """Nobody reads it any more: what still comes for it must not hold the others up."""
        self.streams.pop(stream.number, None)
        stream.abort()
