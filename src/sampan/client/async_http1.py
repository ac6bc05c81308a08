"""One HTTP/1.1 connection on the event loop: what `sampan.client.http1` is for blocking code.

A protocol that is fed by the loop: small answers are taken apart in the very call that brings them. A body is read at
once (`read_all`) or as it comes (`read_some`), and then the socket waits while the reader is behind.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable
from typing import cast

from sampan.client.http1 import MAX_HEAD, Head, NoAnswer, ProtocolError

MAX_BUFFERED = 1 << 20

_IDLE, _HEAD, _LENGTH, _CHUNKED, _TRAILERS, _UNTIL_END = range(6)
_CHUNK_END = -1  # behind a chunk there is an empty line


class AsyncConnection(asyncio.Protocol):
    def __init__(self, on_lost: Callable[[AsyncConnection], object]) -> None:
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._state = _IDLE
        self._buffer = b""
        self._left = 0
        self._keep = True
        self._head: asyncio.Future[Head] | None = None
        self._pieces: list[bytes] = []
        self._buffered = 0
        self._paused = False
        self._streaming = False
        self._reader: asyncio.Future[None] | None = None
        self._error: Exception | None = None
        self.idle_since = 0.0

    # -- what the transport asks for ---------------------------------------------------------------------------------

    @property
    def reusable(self) -> bool:
        return self._state == _IDLE and self._keep and self._error is None and not self._pieces

    async def exchange(self, request: bytes) -> Head:
        """Send a request and wait for its answer to begin."""
        if self._transport is None or self._transport.is_closing():
            raise NoAnswer("EOF")
        self._head = asyncio.get_running_loop().create_future()
        self._state = _HEAD
        self._transport.write(request)
        try:
            return await self._head
        finally:
            self._head = None

    async def read_all(self) -> bytes:
        while self._state != _IDLE and self._error is None:
            await self._more()
        if self._error is not None and self._state != _IDLE:
            raise self._error
        return self._taken()

    async def read_some(self) -> bytes:
        """What has come, as soon as there is something; empty at the end."""
        self._streaming = True
        while not self._pieces and self._state != _IDLE and self._error is None:
            await self._more()
        if not self._pieces and self._error is not None and self._state != _IDLE:
            raise self._error
        return self._taken()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    # -- what the loop brings ----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self._state == _UNTIL_END and error is None:
            self._state = _IDLE
        self._keep = False
        if self._head is not None and not self._head.done():
            self._head.set_exception(error or (ProtocolError("unexpected EOF") if self._buffer else NoAnswer("EOF")))
        self._error = error or ProtocolError("unexpected EOF")
        self._wake()
        self._on_lost(self)

    def eof_received(self) -> bool:
        return False

    def data_received(self, data: bytes) -> None:
        if self._buffer:
            data, self._buffer = self._buffer + data, b""
        try:
            while data:
                rest = self._take(data)
                if rest is None:
                    self._buffer = data
                    break
                data = rest
        except ProtocolError as error:
            self._fail(error)
        self._wake()
        if self._streaming and self._buffered > MAX_BUFFERED and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def _take(self, data: bytes) -> bytes | None:
        """One step through what has come: what is left of it, or None when more is needed first."""
        state = self._state
        if state == _HEAD:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                if len(data) > MAX_HEAD:
                    raise ProtocolError("a head without an end")
                return None
            self._begin(parse_head(data[:end]))
            return data[end + 4 :]
        if state == _LENGTH:
            piece, rest = (data, b"") if len(data) <= self._left else (data[: self._left], data[self._left :])
            self._put(piece)
            self._left -= len(piece)
            if self._left == 0:
                self._state = _IDLE
            return rest
        if state == _CHUNKED:
            return self._take_chunked(data)
        if state == _TRAILERS:
            end = data.find(b"\r\n")
            if end == 0:
                self._state = _IDLE
            return None if end < 0 else data[end + 2 :]
        if state == _UNTIL_END:
            self._put(data)
            return b""
        raise ProtocolError("bytes that nobody asked for")

    def _take_chunked(self, data: bytes) -> bytes | None:
        if self._left > 0:
            piece = data[: self._left]
            self._put(piece)
            rest = data[self._left :]
            self._left = self._left - len(piece) or _CHUNK_END
            return rest
        if self._left == _CHUNK_END:
            if len(data) < 2:
                return None
            self._left = 0
            return data[2:]
        end = data.find(b"\r\n")
        if end < 0:
            return None
        size = data[:end].partition(b";")[0].strip()
        if not size or size.strip(b"0123456789abcdefABCDEF"):
            raise ProtocolError(f"bad chunk size {size[:20]!r}")
        self._left = int(size, 16)
        if self._left == 0:
            self._state = _TRAILERS
        return data[end + 2 :]

    def _begin(self, head: Head) -> None:
        if head.status == 100:
            return
        headers = head.headers
        if "close" in headers.get("connection", "").lower():
            self._keep = False
        length = headers.get("content-length")
        if head.status in (204, 304):
            self._state = _IDLE
        elif "chunked" in headers.get("transfer-encoding", "").lower():
            self._state, self._left = _CHUNKED, 0
        elif length is not None:
            if not length.isdigit():
                raise ProtocolError(f"bad content-length {length!r}")
            self._left = int(length)
            self._state = _LENGTH if self._left else _IDLE
        else:
            self._state, self._keep = _UNTIL_END, False
        if self._head is not None and not self._head.done():
            self._head.set_result(head)

    def _put(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._buffered += len(piece)

    def _taken(self) -> bytes:
        pieces, self._pieces, self._buffered = self._pieces, [], 0
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def _more(self) -> None:
        self._reader = asyncio.get_running_loop().create_future()
        try:
            await self._reader
        finally:
            self._reader = None

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def _fail(self, error: ProtocolError) -> None:
        self._error, self._keep = error, False
        if self._head is not None and not self._head.done():
            self._head.set_exception(error)
        self.abort()


def parse_head(data: bytes) -> Head:
    first, *lines = data.decode("latin-1").split("\r\n")
    parts = first.split(" ", 2)
    if len(parts) < 2 or not parts[0].startswith("HTTP/1.") or not parts[1].isdigit():
        raise ProtocolError(f"malformed HTTP response {first[:40]!r}")
    headers: dict[str, str] = {"connection": "close"} if parts[0] == "HTTP/1.0" else {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise ProtocolError("malformed HTTP header")
        key, value = name.strip().lower(), value.strip()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return Head(int(parts[1]), headers)


def keep_alive(wire: socket.socket | None) -> None:
    """A server that is gone without a word (its machine, the network) is noticed within half a minute, also by who only
    listens."""
    if wire is None:
        return
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if sys.platform == "linux":
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15)
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5)
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 30_000)
