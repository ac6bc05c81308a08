"""The one contract between a client and an API server: requests, streams and upgraded connections, as bytes.

Implemented over HTTP by `sampan.client.http`, inside the server's own process by the API server, and in memory by
`sampan.client.fake`. A transport knows hosts, credentials and connections; it knows no resources, types or verbs: those
are `sampan.client.api`. An answer of any status is a `Response`, never an exception: only what got no answer raises.

Header names of answers are lower case; a header that came several times is joined with ", ".
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

Query = Mapping[str, str | Sequence[str]]
Headers = Mapping[str, str]
RequestHeaders = Mapping[str, str | Sequence[str]]


class TransportError(Exception):
    """There was no answer, so it is not known whether the server acted."""

    def __init__(self, message: str, *, server: str = "") -> None:
        super().__init__(message)
        self.server = server


class ConnectionRefused(TransportError):
    """Nothing listens at the server's address."""


class UnknownHost(TransportError):
    """The server's name has no address."""


class TLSFailure(TransportError):
    """The server's certificate is not trusted, or the handshake failed."""


class BadCertificates(TLSFailure):
    """Our own certificates, or those that we are to trust, cannot be used: nothing was sent."""


class RequestTimeout(TransportError):
    """The server did not answer in time."""


class Response(NamedTuple):
    status: int
    headers: Headers
    body: bytes


class StreamResponse(Protocol):
    """An answer whose body arrives in pieces for as long as the server likes (watch, log follow)."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Headers: ...

    @property
    def framed(self) -> bool:
        """Every chunk of a watch is exactly one event, without its newline, and the same `bytes` object goes to every
        watcher of the process. The in-process transport says True, which lets events be decoded once for all."""
        ...

    def __aiter__(self) -> AsyncIterator[bytes]: ...


class Upgraded(Protocol):
    """A two-way connection of binary messages (a WebSocket); see `sampan.client.channels` for what they carry."""

    @property
    def subprotocol(self) -> str: ...

    async def send(self, message: bytes) -> None: ...

    async def receive(self) -> bytes | None:
        """The next message; None once the peer has closed."""
        ...

    async def close(self) -> None: ...


class Transport(Protocol):
    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        headers: RequestHeaders | None = None,
        body: bytes | None = None,
        timeout: float | None = None,
    ) -> Response:
        """`path` is absolute and already percent-encoded; `query` is not."""
        ...

    def stream(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        headers: RequestHeaders | None = None,
        body: bytes | None = None,
    ) -> AbstractAsyncContextManager[StreamResponse]:
        """Leaving the context ends the stream, also on the server's side."""
        ...

    async def upgrade(
        self,
        path: str,
        *,
        query: Query | None = None,
        headers: RequestHeaders | None = None,
        subprotocols: Sequence[str] = (),
    ) -> Upgraded:
        """Raises `UpgradeRefused` when the server answers anything but 101."""
        ...

    async def close(self) -> None: ...


class UpgradeRefused(Exception):
    """The server answered a request for an upgrade with an ordinary response (usually a Status)."""

    def __init__(self, response: Response) -> None:
        super().__init__(f"upgrade refused with status {response.status}")
        self.response = response
