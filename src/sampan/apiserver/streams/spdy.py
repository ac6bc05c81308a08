"""SPDY/3.1 framing, as much of it as Kubernetes' clients speak. Pure: bytes in, frames out, and back.

Header blocks are compressed with one zlib context per direction for the whole connection, primed with the dictionary of
the specification: a block can be read only in its order.
"""

from __future__ import annotations

import zlib
from typing import NamedTuple

SYN_STREAM, SYN_REPLY, RST_STREAM, SETTINGS, PING, GOAWAY, HEADERS, WINDOW_UPDATE = 1, 2, 3, 4, 6, 7, 8, 9
DATA = 0
FIN = 0x01
_CONTROL = 0x8003 << 16
MAX_FRAME = 0xFFFFFF
_MAX_HEADERS = 64 * 1024

_WORDS = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow "
    "authorization cache-control connection content-base content-encoding content-language content-length "
    "content-location content-md5 content-range content-type date etag expect expires from host if-match "
    "if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma "
    "proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade "
    "user-agent vary via warning www-authenticate method get status 200_OK version HTTP/1.1 url public set-cookie "
    "keep-alive origin"
)
_PHRASES = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden"
    "404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,"
    "publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)


def _dictionary() -> bytes:
    words = (w.replace("_", " ").encode() for w in _WORDS.split())
    return b"".join(len(w).to_bytes(4, "big") + w for w in words) + _PHRASES.encode()


DICTIONARY = _dictionary()


class SpdyError(Exception):
    """The peer broke the protocol."""


class Frame(NamedTuple):
    """`kind` is DATA or a control type, `number` the stream's or a ping's; one that opens a stream has `headers`."""

    kind: int
    number: int
    flags: int = 0
    data: bytes = b""
    headers: dict[str, str] | None = None

    @property
    def final(self) -> bool:
        return bool(self.flags & FIN)


class Reader:
    """Fed bytes as they come, gives frames as they are complete."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)

    def feed(self, data: bytes) -> list[Frame]:
        self._buffer += data
        frames = []
        while len(self._buffer) >= 8:
            size = int.from_bytes(self._buffer[5:8], "big")
            if len(self._buffer) < 8 + size:
                break
            head, body = bytes(self._buffer[:8]), bytes(self._buffer[8 : 8 + size])
            del self._buffer[: 8 + size]
            frame = self._frame(head, body)
            if frame is not None:
                frames.append(frame)
        return frames

    def _frame(self, head: bytes, body: bytes) -> Frame | None:
        first, flags = int.from_bytes(head[:4], "big"), head[4]
        if not first & 0x80000000:
            return Frame(DATA, first & 0x7FFFFFFF, flags, body)
        if first & 0xFFFF0000 != _CONTROL:
            raise SpdyError("not SPDY/3")
        kind = first & 0xFFFF
        if kind in (SETTINGS, GOAWAY, WINDOW_UPDATE):
            return Frame(kind, 0, flags, body)
        if len(body) < 4:
            raise SpdyError("a control frame is too short")
        number = int.from_bytes(body[:4], "big") & 0x7FFFFFFF
        if kind == SYN_STREAM:
            return Frame(kind, number, flags, headers=self._headers(body[10:]))
        if kind in (SYN_REPLY, HEADERS):
            return Frame(kind, number, flags, headers=self._headers(body[4:]))
        if kind == PING:
            return Frame(kind, int.from_bytes(body[:4], "big"), flags)
        return Frame(kind, number, flags, body[4:]) if kind == RST_STREAM else None

    def _headers(self, block: bytes) -> dict[str, str]:
        try:
            plain = self._inflate.decompress(block, _MAX_HEADERS)
        except zlib.error as error:
            raise SpdyError(f"a header block cannot be read: {error}") from None
        if self._inflate.unconsumed_tail:
            raise SpdyError("a header block is too large")
        return _read_headers(plain)


def _read_headers(plain: bytes) -> dict[str, str]:
    headers, at = {}, 4
    for _ in range(int.from_bytes(plain[:4], "big")):
        pair = []
        for _ in range(2):
            size = int.from_bytes(plain[at : at + 4], "big")
            pair.append(plain[at + 4 : at + 4 + size].decode("utf-8", "replace"))
            at += 4 + size
        if at > len(plain):
            raise SpdyError("a header block ends early")
        headers[pair[0].lower()] = pair[1]
    return headers


class Writer:
    def __init__(self) -> None:
        self._deflate = zlib.compressobj(9, zlib.DEFLATED, 15, 9, zlib.Z_DEFAULT_STRATEGY, DICTIONARY)

    def syn_stream(self, number: int, headers: dict[str, str], *, flags: int = 0) -> bytes:
        return _control(SYN_STREAM, number.to_bytes(4, "big") + bytes(6) + self._block(headers), flags)

    def syn_reply(self, number: int, headers: dict[str, str] | None = None) -> bytes:
        return _control(SYN_REPLY, number.to_bytes(4, "big") + self._block(headers or {}))

    def _block(self, headers: dict[str, str]) -> bytes:
        plain = [len(headers).to_bytes(4, "big")]
        for name, value in headers.items():
            for text in (name.lower().encode(), value.encode()):
                plain += [len(text).to_bytes(4, "big"), text]
        return self._deflate.compress(b"".join(plain)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)


def data_frame(number: int, data: bytes, *, final: bool = False) -> bytes:
    return number.to_bytes(4, "big") + bytes((FIN if final else 0,)) + len(data).to_bytes(3, "big") + data


def ping(number: int) -> bytes:
    return _control(PING, number.to_bytes(4, "big"))


def reset(number: int, status: int = 5) -> bytes:
    return _control(RST_STREAM, number.to_bytes(4, "big") + status.to_bytes(4, "big"))


def goaway(last: int) -> bytes:
    return _control(GOAWAY, last.to_bytes(4, "big") + bytes(4))


def _control(kind: int, body: bytes, flags: int = 0) -> bytes:
    return (_CONTROL | kind).to_bytes(4, "big") + bytes((flags,)) + len(body).to_bytes(3, "big") + body
