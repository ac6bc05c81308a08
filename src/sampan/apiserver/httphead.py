"""The head and the framing of an HTTP/1.1 request. Pure: bytes in, values out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

MAX_HEAD = 64 * 1024
_MAX_HEADERS = 256
_TOKEN = re.compile(r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"))


class BadHead(Exception):
    """A request that HTTP does not allow; the connection cannot go on after it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Head:
    __slots__ = ("chunked", "headers", "keep_alive", "length", "method", "path", "query")

    def __init__(self, method: str, path: str, query: str, headers: Mapping[str, str], *, keep_alive: bool) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.keep_alive = keep_alive
        self.length = 0
        self.chunked = False

    @property
    def accepts_gzip(self) -> bool:
        return "gzip" in self.headers.get("accept-encoding", "")

    @property
    def expects_continue(self) -> bool:
        return self.headers.get("expect", "").lower() == "100-continue"


def parse_head(data: bytes) -> Head:
    first, _, block = data.decode("latin-1").partition("\r\n")
    parts = first.split(" ")
    if len(parts) != 3 or parts[0] not in _METHODS:
        raise BadHead(400, "Bad Request: malformed request line")
    method, target, version = parts
    if version not in ("HTTP/1.1", "HTTP/1.0"):
        raise BadHead(505, "HTTP Version Not Supported")
    if target[:1] != "/":
        target = _absolute(target)
    path, _, query = target.partition("?")
    headers = _same_as_before(block) if len(block) <= _REMEMBERED_SIZE else _headers(block)
    connection = headers.get("connection", "").lower()
    keep_alive = "close" not in connection if version == "HTTP/1.1" else "keep-alive" in connection
    head = Head(method, path, query.partition("#")[0], headers, keep_alive=keep_alive)
    _framing(head)
    return head


def _headers(block: str) -> dict[str, str]:
    lines = block.split("\r\n") if block else []
    if len(lines) >= _MAX_HEADERS:
        raise BadHead(431, "too many headers")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        key = _name(name)
        if not colon or key is None or "\n" in value or "\r" in value or "\0" in value:
            raise BadHead(400, "Bad Request: malformed header")
        value = value.strip(" \t")
        if key in headers:
            if key in ("content-length", "host", "transfer-encoding", "authorization"):
                raise BadHead(400, f"Bad Request: {key} given twice")
            value = f"{headers[key]}\n{value}"
        headers[key] = value
    return headers


# A client says the same in every request but for the first line. Nobody changes what is handed out.
_REMEMBERED_SIZE = 4096
_same_as_before = lru_cache(maxsize=256)(_headers)


@lru_cache(maxsize=1024)
def _name(name: str) -> str | None:
    return name.lower() if _TOKEN.match(name) else None


def _framing(head: Head) -> None:
    headers = head.headers
    coding = headers.get("transfer-encoding")
    length = headers.get("content-length")
    if coding is not None:
        if length is not None or coding.lower() != "chunked":
            raise BadHead(400, "Bad Request: ambiguous framing")
        head.chunked = True
    elif length is not None:
        if not length.isascii() or not length.isdigit() or len(length) > 18:
            raise BadHead(400, "Bad Request: malformed content-length")
        head.length = int(length)


def _absolute(target: str) -> str:
    """`GET http://host/path`, as a client of a proxy asks."""
    match = re.match(r"^https?://[^/?]+(/.*)?$", target)
    if match is None:
        raise BadHead(400, "Bad Request: malformed target")
    return match[1] or "/"


class Chunks:
    """A chunked body, put together."""

    __slots__ = ("_left", "_limit", "_parts", "_size", "done")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0
        self._left = -1  # -1: a size line comes next; -2: the trailer
        self.done = False

    @property
    def body(self) -> bytes:
        return b"".join(self._parts)

    def feed(self, data: bytes) -> bytes:
        """What is left over."""
        while True:
            if self._left >= 0:
                if len(data) < self._left + 2:
                    return data
                if data[self._left : self._left + 2] != b"\r\n":
                    raise BadHead(400, "Bad Request: malformed chunk")
                self._parts.append(data[: self._left])
                data, self._left = data[self._left + 2 :], -1
            end = data.find(b"\r\n")
            if end < 0:
                if len(data) > MAX_HEAD:
                    raise BadHead(400, "Bad Request: malformed chunk")
                return data
            line, data = data[:end], data[end + 2 :]
            if self._left == -2:
                if not line:
                    self.done = True
                    return data
                continue
            self._left = _chunk_size(line)
            self._size += self._left
            if self._size > self._limit:
                raise BadHead(413, "body too large")
            if self._left == 0:
                self._left = -2


def _chunk_size(line: bytes) -> int:
    text = line.partition(b";")[0].strip()
    if not re.fullmatch(rb"[0-9a-fA-F]{1,8}", text):
        raise BadHead(400, "Bad Request: malformed chunk size")
    return int(text, 16)
