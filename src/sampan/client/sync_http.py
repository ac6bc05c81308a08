"""The blocking transport of the command line: sockets and `ssl`, nothing that takes long to import.

Same contract as `sampan.client.transport`, without `async`. Connections are kept and used again; threads may share one
transport.
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from urllib.parse import urlencode

from sampan.client.answers import retry_after
from sampan.client.connection import Address, ConnectionSettings, address_of, proxy_for
from sampan.client.credentials import Credentials
from sampan.client.http1 import Head, Http1, NoAnswer, ProtocolError
from sampan.client.sync_dial import dial
from sampan.client.sync_wire import TwoWayWire
from sampan.client.tls import explain, tls_context
from sampan.client.transport import (
    Headers,
    Query,
    RequestHeaders,
    RequestTimeout,
    Response,
    TransportError,
    UpgradeRefused,
)
from sampan.client.websocket import SyncWebSocket, accept_for, new_key

RETRIES = 10
IDLE_CONNECTIONS = 8


class Connection:
    """A socket and what is known of the conversation on it."""

    __slots__ = ("http", "wire")

    def __init__(self, wire: socket.socket) -> None:
        self.wire = wire
        self.http = Http1(wire)

    def close(self) -> None:
        self.wire.close()


class SyncHttpTransport:
    def __init__(self, settings: ConnectionSettings) -> None:
        self.settings = settings
        self.address: Address = address_of(settings.server)
        self._credentials = Credentials(settings)
        self._proxy = proxy_for(self.address, settings.proxy_url)
        self._tls: ssl.SSLContext | None = None
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        near = self.address.host == "localhost" or self.address.host.startswith("127.")
        # Packing a list takes a server longer than sending it does, unless the line is slow.
        self._encoding = "identity" if near or settings.disable_compression else "gzip"

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        headers: RequestHeaders | None = None,
        body: bytes | None = None,
        timeout: float | None = None,
    ) -> Response:
        limit = timeout if timeout is not None else self.settings.timeout or None
        for attempt in range(RETRIES + 1):
            connection, head = self._exchange(method, path, query, headers, body, limit)
            try:
                data = connection.http.rest()
            except (OSError, ProtocolError) as error:
                connection.close()
                raise self._explained(error) from error
            self._put_back(connection)
            seconds = retry_after(head.headers)
            if attempt < RETRIES and seconds is not None and (head.status == 429 or head.status >= 500):
                time.sleep(seconds)
                continue
            return Response(head.status, head.headers, _unpacked(head.headers, data))
        raise AssertionError("unreachable")

    def stream(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        headers: RequestHeaders | None = None,
        body: bytes | None = None,
    ) -> SyncStream:
        """A context manager; iterating it blocks until the next piece arrives."""
        limit = self.settings.timeout or None
        deadline = time.monotonic() + limit if limit else None
        connection, head = self._exchange(method, path, query, headers, body, limit, streamed=True)
        return SyncStream(connection, head, self.address.url, deadline)

    def upgrade(
        self,
        path: str,
        *,
        query: Query | None = None,
        headers: RequestHeaders | None = None,
        subprotocols: Sequence[str] = (),
    ) -> SyncWebSocket:
        key = new_key()
        asked: dict[str, str | Sequence[str]] = {
            **(headers or {}),
            "connection": "Upgrade",
            "upgrade": "websocket",
            "sec-websocket-version": "13",
            "sec-websocket-key": key,
        }
        if subprotocols:
            asked["sec-websocket-protocol"] = ", ".join(subprotocols)
        connection, head = self._exchange("GET", path, query, asked, None, None, streamed=True)
        if head.status != 101:
            try:
                response = Response(head.status, head.headers, _unpacked(head.headers, connection.http.rest()))
            except (OSError, ProtocolError) as error:
                raise self._explained(error) from error
            finally:
                connection.close()
            raise UpgradeRefused(response)
        if head.headers.get("sec-websocket-accept") != accept_for(key):
            connection.close()
            raise TransportError("the server's answer is no WebSocket handshake", server=self.address.url)
        subprotocol = head.headers.get("sec-websocket-protocol") or ""
        return SyncWebSocket(TwoWayWire(connection.wire), subprotocol, received=connection.http.surplus())

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    # -- one exchange ------------------------------------------------------------------------------------------------

    def _exchange(
        self,
        method: str,
        path: str,
        query: Query | None,
        headers: RequestHeaders | None,
        body: bytes | None,
        timeout: float | None,
        *,
        streamed: bool = False,
    ) -> tuple[Connection, Head]:
        target = self.address.prefix + path
        if query:
            target += "?" + urlencode(query, doseq=True)
        connection, head = self._once(method, target, headers, body, timeout, streamed=streamed)
        if head.status == 401 and self._credentials.renewable:
            connection.close()
            self._credentials.forget()
            connection, head = self._once(method, target, headers, body, timeout, streamed=streamed)
        return connection, head

    def _once(
        self,
        method: str,
        target: str,
        headers: RequestHeaders | None,
        body: bytes | None,
        timeout: float | None,
        *,
        streamed: bool,
    ) -> tuple[Connection, Head]:
        own = self._credentials.headers()
        connection = self._take()
        reused = connection is not None
        connection = connection or self._connect(timeout)
        try:
            connection.wire.settimeout(timeout)
            connection.http.send(method, target, self._all_headers(own, headers, streamed), body)
            head = connection.http.head()
            if streamed:
                connection.wire.settimeout(None)
        except (NoAnswer, ConnectionError) as error:
            connection.close()
            if reused and method == "GET":  # it was closed while it was idle
                return self._once(method, target, headers, body, timeout, streamed=streamed)
            raise TransportError("EOF", server=self.address.url) from error
        except (OSError, ProtocolError) as error:
            connection.close()
            raise self._explained(error) from error
        return connection, head

    def _all_headers(
        self, own: dict[str, str], headers: RequestHeaders | None, streamed: bool
    ) -> Iterator[tuple[str, str]]:
        yield "host", self.address.authority
        yield "accept-encoding", "identity" if streamed else self._encoding
        for group in (self.settings.impersonation_headers(), own, headers or {}):
            for name, value in group.items():
                for one in (value,) if isinstance(value, str) else value:
                    yield name, one

    def _connect(self, timeout: float | None) -> Connection:
        if self.address.tls and (self._tls is None or self._credentials.cert):
            self._tls = tls_context(self.settings, cert=self._credentials.cert, key=self._credentials.key)
        tls = self._tls if self.address.tls else None
        server_name = self.settings.tls_server_name
        return Connection(dial(self.address, self._proxy, tls, server_name=server_name, timeout=timeout))

    def _take(self) -> Connection | None:
        with self._lock:
            while self._idle:
                connection = self._idle.pop()
                # Readable without a question asked means: closed by the server.
                if not select.select([connection.wire], [], [], 0)[0]:
                    return connection
                connection.close()
        return None

    def _put_back(self, connection: Connection) -> None:
        with self._lock:
            if connection.http.reusable and len(self._idle) < IDLE_CONNECTIONS:
                self._idle.append(connection)
                return
        connection.close()

    def _explained(self, error: Exception) -> TransportError:
        server = self.address.url
        if isinstance(error, TimeoutError):
            said = "net/http: request canceled (Client.Timeout exceeded while awaiting headers)"
            return RequestTimeout(said, server=server)
        if isinstance(error, ssl.SSLError):
            return explain(error, server)
        return TransportError(str(error) or type(error).__name__, server=server)


class SyncStream:
    """`deadline` (monotonic) is when the whole answer must have come: a request's timeout counts for streams too."""

    framed = False

    def __init__(self, connection: Connection, head: Head, server: str, deadline: float | None = None) -> None:
        self.status = head.status
        self.headers: Headers = head.headers
        self._connection = connection
        self._server = server
        self._deadline = deadline
        self._closed = False

    def __iter__(self) -> Iterator[bytes]:
        while True:
            try:
                if self._deadline is not None:
                    self._connection.wire.settimeout(max(0.001, self._deadline - time.monotonic()))
                chunk = self._connection.http.some()
            except TimeoutError as error:
                said = "net/http: request canceled (Client.Timeout or context cancellation while reading body)"
                raise RequestTimeout(said, server=self._server) from error
            except (OSError, ProtocolError, ValueError) as error:
                if self._closed:  # by another thread, which is how a stream is interrupted
                    return
                raise TransportError(f"the stream broke: {error}", server=self._server) from error
            if not chunk:
                return
            yield chunk

    def read(self) -> bytes:
        return b"".join(self)

    def __enter__(self) -> SyncStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Also from another thread: whoever iterates comes to the end."""
        self._closed = True
        try:
            socket.socket.shutdown(self._connection.wire, socket.SHUT_RDWR)  # past TLS, for the sake of its reader
        except OSError:
            pass
        self._connection.close()


def _unpacked(headers: Headers, data: bytes) -> bytes:
    if headers.get("content-encoding") != "gzip":
        return data
    import zlib

    return zlib.decompress(data, 16 + zlib.MAX_WBITS)
