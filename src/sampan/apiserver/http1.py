"""HTTP/1.1 for the chain: bytes in, one write out.

Why our own: an answer here is a look-up and a write, so the cost of a request is the cost of its HTTP. A general server
makes a task, a header map and a response object for each; this makes a `Request` and runs the chain at once (`eager`).
The parser is strict where leniency would be a risk: one framing per body, no folded headers, no bare line feeds.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
import zlib
from collections.abc import Iterable
from email.utils import formatdate
from functools import partial
from http import HTTPStatus
from typing import Any, cast

from sampan.api.errors import TooLarge
from sampan.apiserver import eager
from sampan.apiserver.chain import Chain, error_reply
from sampan.apiserver.httphead import MAX_HEAD, BadHead, Chunks, Head, parse_head
from sampan.apiserver.pieces import LONG, slices
from sampan.apiserver.rawbytes import RawBytes
from sampan.apiserver.request import Answer, LongReply, Reply, Request, Stream, Upgrade

log = logging.getLogger(__name__)

MAX_BODY = 3 * 1024 * 1024
# As Kubernetes: smaller answers are not worth the work.
GZIP_FROM = 128 * 1024
_STATUS = {s.value: f"HTTP/1.1 {s.value} {s.phrase}\r\n".encode() for s in HTTPStatus}
_HIGH_WATER = 1024 * 1024
_LINGER_SECONDS = 1.0
# Up to here one write of a copy is cheaper than two writes.
_COPIED = 64 * 1024


class Connection(asyncio.Protocol):
    """One client. Requests are answered one after the other; what comes meanwhile waits."""

    __slots__ = (
        "_body", "_chunks", "_closing", "_drained", "_head", "_loop", "_need", "_raw", "_rest", "_task", "active",
        "chain", "connections", "memo", "transport", "writing_since",
    )  # fmt: skip

    def __init__(self, chain: Chain, connections: set[Connection], loop: asyncio.AbstractEventLoop) -> None:
        self.chain = chain
        self.connections = connections
        self.memo: dict[str, Any] = {}
        self.active = time.monotonic()
        self.writing_since = 0.0
        self._loop = loop
        self._rest = b""
        self._head: Head | None = None
        self._body: list[bytes] = []
        self._need = 0
        self._chunks: Chunks | None = None
        self._task: asyncio.Task[Any] | None = None
        self._raw: RawBytes | None = None
        self._drained: asyncio.Future[None] | None = None
        self._closing = False
        self.transport: asyncio.Transport | None = None

    @property
    def idle(self) -> bool:
        return self._task is None

    def finish(self) -> None:
        """Answer what is being answered, then close."""
        self._closing = True
        if self._task is None and self.transport is not None:
            self.transport.close()

    # --- who it is ---------------------------------------------------------------------------------------------

    @property
    def peer_certificate(self) -> bytes | None:
        tls: ssl.SSLObject | None = self.transport.get_extra_info("ssl_object") if self.transport else None
        return tls.getpeercert(True) if tls is not None else None

    @property
    def peer_address(self) -> str:
        peer = self.transport.get_extra_info("peername") if self.transport else None
        return str(peer[0]) if peer else ""

    # --- what the transport tells ------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's own class
        self.transport.set_write_buffer_limits(high=_HIGH_WATER)
        self.connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.connections.discard(self)
        self.transport = None
        if self._raw is not None:
            self._raw.feed(b"")
        elif self._task is not None:
            self._task.cancel()
        self.resume_writing()

    def pause_writing(self) -> None:
        self.writing_since = time.monotonic()
        self._drained = self._loop.create_future()

    def resume_writing(self) -> None:
        self.writing_since = 0.0
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None
        if self._rest and self._task is None and self._raw is None:
            self._loop.call_soon(self._advance)

    async def drain(self) -> None:
        if self._drained is not None:
            await self._drained
        if self.transport is None or self.transport.is_closing():
            raise ConnectionResetError

    def eof_received(self) -> bool:
        if self._raw is not None:
            self._raw.feed(b"")
            # Half a connection can stay open, but TLS has no such thing.
            return self.transport is not None and self.transport.get_extra_info("sslcontext") is None
        return False

    def data_received(self, data: bytes) -> None:
        if self._raw is not None:
            self._raw.feed(data)
            return
        if self._closing:
            return
        self._rest = self._rest + data if self._rest else data
        if self._task is not None:
            if len(self._rest) > MAX_BODY and self.transport is not None:
                self.transport.pause_reading()
            return
        self._advance()

    # --- from bytes to requests --------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Answer the requests that are complete."""
        while self._rest and self._task is None and self.transport is not None and not self._closing:
            if self._drained is not None:
                return  # answers wait to be read: no further ones until they are
            try:
                request = self._next_request()
            except BadHead as error:
                self._refuse(error)
                return
            if request is None:
                return
            self.active = time.monotonic()
            head = self._head
            assert head is not None
            self._head = None
            task = eager.run(self.chain.handle(request), partial(self._answer, head), self._loop)
            if task is not None:
                self._task = task

    def _next_request(self) -> Request | None:
        head = self._head
        if head is None:
            end = self._rest.find(b"\r\n\r\n")
            if end < 0:
                if len(self._rest) > MAX_HEAD:
                    raise BadHead(431, "header too large")
                return None
            head = parse_head(self._rest[:end])
            self._rest = self._rest[end + 4 :]
            self._head, self._body, self._need = head, [], head.length
            if head.length > MAX_BODY:
                raise BadHead(413, "body too large")
            self._chunks = Chunks(MAX_BODY) if head.chunked else None
            if head.expects_continue and self.transport is not None:
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = self._read_body()
        if body is None:
            return None
        return Request(head.method, head.path, head.query, head.headers, body, connection=self)

    def _read_body(self) -> bytes | None:
        if self._chunks is not None:
            self._rest = self._chunks.feed(self._rest)
            return self._chunks.body if self._chunks.done else None
        if not self._need:
            return b""
        if len(self._rest) < self._need and not self._body:
            # Large bodies come in many pieces: collect them without copying what is there each time.
            self._body, self._need, self._rest = [self._rest], self._need - len(self._rest), b""
            return None
        part = self._rest[: self._need]
        self._rest = self._rest[len(part) :]
        self._need -= len(part)
        self._body.append(part)
        if self._need:
            return None
        return self._body[0] if len(self._body) == 1 else b"".join(self._body)

    def _refuse(self, error: BadHead) -> None:
        if error.status == 413:
            reply = error_reply(TooLarge(f"Request entity too large: limit is {MAX_BODY}"))
        else:
            reply = Reply(error.status, f"{error.status} {error}\n".encode(), "text/plain; charset=utf-8")
        self._closing = True
        self._write_reply(None, reply)
        self._rest = b""
        assert self.transport is not None
        if error.status == 413:
            # What is still on its way is read and dropped: closing on it would take the answer away from the client.
            self._loop.call_later(_LINGER_SECONDS, self.transport.close)
        else:
            self.transport.close()

    # --- from answers to bytes ---------------------------------------------------------------------------------

    def _answer(self, head: Head, answer: Answer) -> None:
        self._task = None
        if self.transport is None:
            if isinstance(answer, Stream):
                answer.frames.close()
            return
        if isinstance(answer, Reply):
            length = len(answer.body) if type(answer) is Reply else answer.length
            if length >= GZIP_FROM and head.accepts_gzip:
                self._task = self._loop.create_task(self._zipped(head, answer))
            elif length > LONG:
                self._task = self._loop.create_task(self._write_long(head, answer))
            else:
                self._write_reply(head, answer)
                self._go_on()
        elif isinstance(answer, Stream):
            self._task = self._loop.create_task(self._stream(head, answer))
        else:
            self._task = self._loop.create_task(self._upgrade(answer))

    def _go_on(self) -> None:
        """An answer is out: close, or see what came meanwhile."""
        if self.transport is None:
            return
        if self._closing:
            self.transport.close()
        elif self._rest:
            self.transport.resume_reading()
            self._loop.call_soon(self._advance)

    def _write_reply(self, head: Head | None, reply: Reply, *, encoding: bytes = b"") -> None:
        assert self.transport is not None
        body = reply.body
        answer = self._reply_head(head, reply, len(body), encoding)
        if head is not None and head.method == "HEAD":
            self.transport.write(answer)
        elif len(body) < _COPIED:
            self.transport.write(answer + body)
        else:
            # In pieces, TLS works within the processor's caches: twice as fast as in one.
            self.transport.write(answer)
            for piece in slices(body):
                self.transport.write(piece)

    def _reply_head(self, head: Head | None, reply: Reply, length: int, encoding: bytes = b"") -> bytes:
        if head is None or not head.keep_alive:
            self._closing = True
        lines = b"".join([b"%s: %s\r\n" % (k.encode(), v.encode()) for k, v in reply.headers]) if reply.headers else b""
        return (
            b"%sContent-Type: %s\r\nContent-Length: %d\r\nCache-Control: no-cache, private\r\nDate: %s\r\n%s%s%s\r\n"
            % (
                _status(reply.status),
                reply.content_type.encode(),
                length,
                _date(),
                encoding,
                lines,
                b"Connection: close\r\n" if self._closing else b"",
            )
        )

    async def _write_long(self, head: Head, reply: Reply) -> None:
        """As fast as the client takes it, with everybody else's turn after each piece."""
        pieces: Iterable[bytes | memoryview] = reply.pieces if isinstance(reply, LongReply) else slices(reply.body)
        transport = self.transport
        assert transport is not None
        try:
            transport.write(self._reply_head(head, reply, reply.length))
            for piece in pieces if head.method != "HEAD" else ():
                transport.write(piece)
                await self.drain()
                await asyncio.sleep(0)
        except ConnectionResetError:
            pass
        finally:
            self._task = None
        self._go_on()

    async def _zipped(self, head: Head, reply: Reply) -> None:
        reply.body = await self._loop.run_in_executor(None, lambda: _gzip(reply.whole()))
        self._task = None
        if self.transport is not None:
            self._write_reply(head, reply, encoding=b"Content-Encoding: gzip\r\nVary: Accept-Encoding\r\n")
            self._go_on()

    async def _stream(self, head: Head, stream: Stream) -> None:
        """Chunked, one write for all frames that are ready. A client that stops reading stops us, not our memory."""
        frames, separator = stream.frames, stream.separator
        try:
            self._write_stream_head(stream)
            while (batch := await frames.next()) is not None:
                data = separator.join([*batch, b""]) if separator else b"".join(batch)
                if self.transport is None:
                    return
                if data:
                    self.transport.write(b"%x\r\n%s\r\n" % (len(data), data))
                await self.drain()
            if self.transport is not None:
                self.transport.write(b"0\r\n\r\n")
        except ConnectionResetError:
            pass
        except Exception:
            log.exception("stream failed")
            self._closing = True
        finally:
            frames.close()
            self._task = None
        self._closing = self._closing or not head.keep_alive
        self._go_on()

    def _write_stream_head(self, stream: Stream) -> None:
        assert self.transport is not None
        lines = b"".join([b"%s: %s\r\n" % (k.encode(), v.encode()) for k, v in stream.headers])
        self.transport.write(
            b"%sContent-Type: %s\r\nTransfer-Encoding: chunked\r\n"
            b"Cache-Control: no-cache, private\r\nDate: %s\r\n%s\r\n"
            % (_status(stream.status), stream.content_type.encode(), _date(), lines)
        )

    async def _upgrade(self, upgrade: Upgrade) -> None:
        assert self.transport is not None
        raw = self._raw = RawBytes(self)
        lines = b"".join([b"%s: %s\r\n" % (k.encode(), v.encode()) for k, v in upgrade.headers])
        self.transport.write(b"HTTP/1.1 101 Switching Protocols\r\n%s\r\n" % lines)
        if self._rest:
            raw.feed(self._rest)
            self._rest = b""
        try:
            await upgrade.run(raw)
        except ConnectionError:
            pass
        except Exception:
            log.exception("upgraded connection failed")
        finally:
            raw.close()


def _status(code: int) -> bytes:
    return _STATUS.get(code) or f"HTTP/1.1 {code} Unknown\r\n".encode()


_date_at = 0.0
_date_text = b""


def _date() -> bytes:
    global _date_at, _date_text
    now = time.time()
    if now - _date_at >= 1.0:
        _date_at, _date_text = now, formatdate(now, usegmt=True).encode()
    return _date_text


def _gzip(body: bytes) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    return packer.compress(body) + packer.flush()
