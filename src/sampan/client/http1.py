"""One HTTP/1.1 connection, as much of it as an API server needs: no redirects, cookies, pipelines or uploads in pieces.

The standard library's client would do, but importing it (and the e-mail parser it reads headers with) takes a tenth of
the time that a whole command may take. Blocking; `wire` is any connected socket.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

MAX_HEAD = 1 << 20
PIECE = 1 << 16


class ProtocolError(Exception):
    """The peer does not speak HTTP/1.1, or stopped in the middle of an answer."""


class NoAnswer(ProtocolError):
    """The connection ended before the first byte of an answer."""


class Head(NamedTuple):
    status: int
    headers: dict[str, str]


class Wire(Protocol):
    def sendall(self, data: bytes, /) -> None: ...

    def recv(self, size: int, /) -> bytes: ...


class Http1:
    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._buffer = b""
        self._left = 0  # bytes of the body (or of its current chunk) that are still to come; -1: until the end
        self._chunked = False
        self._done = True
        self._keep = True

    @property
    def reusable(self) -> bool:
        """The answer was read to its end, and the server keeps the connection."""
        return self._done and self._keep and not self._buffer

    def send(self, method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes | None) -> None:
        self._wire.sendall(request_bytes(method, target, headers, body))

    def head(self) -> Head:
        """Waits for the answer to begin."""
        while True:
            found = self._read_head()
            if found.status != 100:
                break
        headers = found.headers
        closing = headers.get("connection", "").lower()
        self._keep = self._keep and "close" not in closing
        self._chunked = "chunked" in headers.get("transfer-encoding", "").lower()
        length = headers.get("content-length")
        if found.status in (101, 204, 304):
            self._left, self._chunked = 0, False
        elif self._chunked:
            self._left = 0
        elif length is not None:
            if not length.isdigit():
                raise ProtocolError(f"bad content-length {length!r}")
            self._left = int(length)
        else:
            self._left, self._keep = -1, False
        self._done = not self._chunked and self._left == 0
        return found

    def some(self) -> bytes:
        """The next piece of the body, as soon as there is one; empty at its end."""
        if self._done:
            return b""
        if self._chunked and self._left == 0 and not self._next_chunk():
            return b""
        if self._left < 0:
            data = self._take(PIECE) or self._wire.recv(PIECE)
            self._done = not data
            return data
        data = self._take(self._left) or self._received(self._left)
        self._left -= len(data)
        if self._left == 0:
            if self._chunked:
                self._line()  # the line's end behind the chunk
            else:
                self._done = True
        return data

    def rest(self) -> bytes:
        pieces = []
        while piece := self.some():
            pieces.append(piece)
        return b"".join(pieces)

    def surplus(self) -> bytes:
        """What came behind the answer: after an upgrade, the first bytes of the new protocol."""
        surplus, self._buffer = self._buffer, b""
        return surplus

    def _next_chunk(self) -> bool:
        line = self._line().partition(b";")[0].strip()
        if not line or line.strip(b"0123456789abcdefABCDEF"):
            raise ProtocolError(f"bad chunk size {line[:20]!r}")
        self._left = int(line, 16)
        if self._left:
            return True
        while self._line():
            pass  # trailers
        self._done = True
        return False

    def _read_head(self) -> Head:
        first = self._line(first=True)
        parts = first.split(b" ", 2)
        if len(parts) < 2 or not parts[0].startswith(b"HTTP/1.") or not parts[1].isdigit():
            raise ProtocolError(f"malformed HTTP response {first[:40]!r}")
        self._keep = parts[0] != b"HTTP/1.0"
        headers: dict[str, str] = {}
        size = 0
        while line := self._line():
            size += len(line)
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon or size > MAX_HEAD:
                raise ProtocolError("malformed HTTP header")
            key, value = name.strip().lower(), value.strip()
            headers[key] = f"{headers[key]}, {value}" if key in headers else value
        return Head(int(parts[1]), headers)

    def _line(self, *, first: bool = False) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > MAX_HEAD:
                raise ProtocolError("a line without an end")
            data = self._wire.recv(PIECE)
            if not data:
                raise NoAnswer("EOF") if first and not self._buffer else ProtocolError("unexpected EOF")
            self._buffer += data
        line, self._buffer = self._buffer[:end], self._buffer[end + 2 :]
        return line

    def _take(self, size: int) -> bytes:
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def _received(self, size: int) -> bytes:
        data = self._wire.recv(min(size, 1 << 20))
        if not data:
            raise ProtocolError("unexpected EOF")
        return data


def request_bytes(method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes | None) -> bytes:
    lines = [f"{method} {target} HTTP/1.1"]
    for name, value in headers:
        if "\r" in value or "\n" in value:
            raise ValueError(f"invalid header field value for {name!r}")
        lines.append(f"{name}: {value}")
    if body is not None or method in ("POST", "PUT", "PATCH"):
        lines.append(f"content-length: {len(body or b'')}")
    head = "\r\n".join([*lines, "", ""]).encode("latin-1")
    return head + body if body else head
