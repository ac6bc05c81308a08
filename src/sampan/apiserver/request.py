"""What travels along the chain: a `Request` in, a `Reply`, `Stream` or `Upgrade` out.

No sockets here: the HTTP server (`http1.py`) and the in-process transport (`inprocess.py`) make the same `Request`s.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote_plus

if TYPE_CHECKING:
    from sampan.apiserver.audit.auditor import Entry
    from sampan.apiserver.contracts import User
    from sampan.apiserver.pieces import Pieces
    from sampan.apiserver.requestinfo import RequestInfo

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"


class Connection(Protocol):
    """The peer of a request, as far as the chain may know it."""

    @property
    def peer_certificate(self) -> bytes | None:
        """The client's certificate in DER, verified by TLS against the client CA; None when none was shown."""
        ...

    @property
    def peer_address(self) -> str: ...

    @property
    def memo(self) -> dict[str, Any]:
        """Whatever is worth remembering for the life of a connection (the user of its certificate)."""
        ...


class Request:
    """Header names are lower case; a header that came several times is joined with a newline, which none can hold."""

    __slots__ = (
        "_query", "audit", "body", "connection", "headers", "info", "long_running", "method", "path", "query_string",
        "user", "warnings",
    )  # fmt: skip

    def __init__(
        self,
        method: str,
        path: str,
        query_string: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        connection: Connection | None = None,
        user: User | None = None,
        query: dict[str, list[str]] | None = None,
    ) -> None:
        self.method = method
        self.path = path
        self.query_string = query_string
        self.headers: Mapping[str, str] = headers if headers is not None else {}
        self.body = body
        self.connection = connection
        self.user = user
        self.info: RequestInfo | None = None
        self.warnings: list[str] = []
        self._query = query
        self.long_running = False
        self.audit: Entry | None = None

    @property
    def query(self) -> dict[str, list[str]]:
        if self._query is None:
            self._query = parse_query(self.query_string) if self.query_string else {}
        return self._query

    def param(self, name: str) -> str:
        """The first value of a query parameter; empty when absent."""
        if self._query is None and not self.query_string:
            return ""
        values = self.query.get(name)
        return values[0] if values else ""

    def header(self, name: str) -> str:
        return self.headers.get(name, "")


def parse_query(text: str) -> dict[str, list[str]]:
    query: dict[str, list[str]] = {}
    for part in text.split("&"):
        if not part:
            continue
        key, _, value = part.partition("=")
        if "%" in part or "+" in part:
            key, value = unquote_plus(key), unquote_plus(value)
        query.setdefault(key, []).append(value)
    return query


class Reply:
    """A whole answer. `body` is what is sent; content negotiation is behind it."""

    __slots__ = ("body", "content_type", "headers", "status")

    def __init__(
        self, status: int, body: bytes, content_type: str = JSON, headers: Sequence[tuple[str, str]] = ()
    ) -> None:
        self.status = status
        self.body = body
        self.content_type = content_type
        self.headers = headers

    @property
    def length(self) -> int:
        return len(self.body)

    def whole(self) -> bytes:
        return self.body


class LongReply(Reply):
    """A whole answer whose body is too long to be held in one piece, unless somebody needs it so."""

    __slots__ = ("pieces",)

    def __init__(self, status: int, pieces: Pieces, content_type: str = JSON) -> None:
        super().__init__(status, b"", content_type)
        self.pieces = pieces

    @property
    def length(self) -> int:
        return len(self.pieces)

    def whole(self) -> bytes:
        return bytes(self.pieces)


class Frames(Protocol):
    """The source of a stream's frames."""

    async def next(self) -> Sequence[bytes] | None:
        """The frames that are ready, at least one; None at the end."""
        ...

    def close(self) -> None: ...


class Stream:
    """An answer that goes on. `separator` stands after each frame on a byte stream (a newline for watches)."""

    __slots__ = ("content_type", "frames", "headers", "separator", "status")

    def __init__(
        self,
        frames: Frames,
        content_type: str = JSON,
        *,
        status: int = 200,
        separator: bytes = b"",
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        self.frames = frames
        self.content_type = content_type
        self.status = status
        self.separator = separator
        self.headers = headers


class RawConnection(Protocol):
    """The bytes of a connection that left HTTP behind."""

    async def read(self) -> bytes:
        """What came; empty at the end."""
        ...

    async def write(self, data: bytes) -> None: ...

    def close(self) -> None: ...


class Upgrade:
    """101: `headers` are sent, then `run` has the connection."""

    __slots__ = ("headers", "run")

    def __init__(self, headers: Sequence[tuple[str, str]], run: Callable[[RawConnection], Awaitable[None]]) -> None:
        self.headers = headers
        self.run = run


Answer = Reply | Stream | Upgrade
