"""The blocking transport of the command line: `http.client` and `ssl`, nothing that takes long to import.

Same contract as `sampan.client.transport`, without `async`. Connections are kept and used again; threads may share one
transport.
"""

from __future__ import annotations

import http.client
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import NamedTuple
from urllib.parse import urlencode

from sampan.client.answers import retry_after
from sampan.client.connection import Address, ConnectionSettings, address_of, proxy_for
from sampan.client.credentials import Credentials
from sampan.client.sync_dial import dial
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


class Exchange(NamedTuple):
    """`wire` is kept apart: `http.client` lets go of it when an answer ends with its connection."""

    connection: http.client.HTTPConnection
    wire: socket.socket
    answer: http.client.HTTPResponse


class SyncHttpTransport:
    def __init__(self, settings: ConnectionSettings) -> None:
        self.settings = settings
        self.address: Address = address_of(settings.server)
        self._credentials = Credentials(settings)
        self._proxy = proxy_for(self.address, settings.proxy_url)
        self._tls: ssl.SSLContext | None = None
        self._lock = threading.Lock()
        self._idle: list[http.client.HTTPConnection] = []
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
            connection, _, answer = self._exchange(method, path, query, headers, body, limit)
            try:
                data = answer.read()
            except TimeoutError:
                connection.close()
                raise self._timed_out() from None
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                raise TransportError(f"unexpected end of the answer: {error}", server=self.address.url) from error
            response = Response(answer.status, _headers(answer), _unpacked(answer, data))
            self._put_back(connection, answer)
            seconds = retry_after(response.headers)
            if attempt < RETRIES and seconds is not None and (response.status == 429 or response.status >= 500):
                time.sleep(seconds)
                continue
            return response
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
        exchange = self._exchange(method, path, query, headers, body, limit, streamed=True)
        return SyncStream(exchange, self.address.url)

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
        connection, wire, answer = self._exchange("GET", path, query, asked, None, None, streamed=True)
        if answer.status != 101:
            response = Response(answer.status, _headers(answer), _unpacked(answer, answer.read()))
            connection.close()
            raise UpgradeRefused(response)
        if answer.getheader("sec-websocket-accept") != accept_for(key):
            connection.close()
            raise TransportError("the server's answer is no WebSocket handshake", server=self.address.url)
        # What the server sent right behind its answer sits in the reader's buffer.
        wire.setblocking(False)
        try:
            received = answer.fp.peek() if answer.fp is not None else b""
        except (BlockingIOError, ssl.SSLWantReadError):
            received = b""
        finally:
            wire.setblocking(True)
        return SyncWebSocket(wire, answer.getheader("sec-websocket-protocol") or "", received=received)

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
    ) -> Exchange:
        target = self.address.prefix + path
        if query:
            target += "?" + urlencode(query, doseq=True)
        exchange = self._once(method, target, headers, body, timeout, streamed=streamed)
        if exchange.answer.status == 401 and self._credentials.renewable:
            exchange.connection.close()
            self._credentials.forget()
            exchange = self._once(method, target, headers, body, timeout, streamed=streamed)
        return exchange

    def _once(
        self,
        method: str,
        target: str,
        headers: RequestHeaders | None,
        body: bytes | None,
        timeout: float | None,
        *,
        streamed: bool,
    ) -> Exchange:
        own = self._credentials.headers()
        connection = self._take()
        reused = connection is not None
        connection = connection or self._connect(timeout)
        wire: socket.socket = connection.sock
        wire.settimeout(timeout)
        try:
            _send(connection, method, target, self.address.authority, self._all_headers(own, headers, streamed), body)
            answer = connection.getresponse()
        except TimeoutError:
            connection.close()
            raise self._timed_out() from None
        except (http.client.RemoteDisconnected, ConnectionError) as error:
            connection.close()
            if reused and method == "GET":  # it was closed while it was idle
                return self._once(method, target, headers, body, timeout, streamed=streamed)
            raise TransportError("EOF", server=self.address.url) from error
        except ssl.SSLError as error:
            connection.close()
            raise explain(error, self.address.url) from error
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise TransportError(str(error), server=self.address.url) from error
        if streamed:
            wire.settimeout(None)
        return Exchange(connection, wire, answer)

    def _all_headers(
        self, own: dict[str, str], headers: RequestHeaders | None, streamed: bool
    ) -> dict[str, str | Sequence[str]]:
        encoding = "identity" if streamed else self._encoding
        return {"accept-encoding": encoding, **self.settings.impersonation_headers(), **own, **(headers or {})}

    def _connect(self, timeout: float | None) -> http.client.HTTPConnection:
        if self.address.tls and (self._tls is None or self._credentials.cert):
            self._tls = tls_context(self.settings, cert=self._credentials.cert, key=self._credentials.key)
        connection = http.client.HTTPConnection(self.address.host, self.address.port)
        connection.sock = dial(
            self.address,
            self._proxy,
            self._tls if self.address.tls else None,
            server_name=self.settings.tls_server_name,
            timeout=timeout,
        )
        return connection

    def _take(self) -> http.client.HTTPConnection | None:
        with self._lock:
            while self._idle:
                connection = self._idle.pop()
                # Readable without a question asked means: closed by the server.
                if connection.sock is not None and not select.select([connection.sock], [], [], 0)[0]:
                    return connection
                connection.close()
        return None

    def _put_back(self, connection: http.client.HTTPConnection, answer: http.client.HTTPResponse) -> None:
        with self._lock:
            if not answer.will_close and connection.sock is not None and len(self._idle) < IDLE_CONNECTIONS:
                self._idle.append(connection)
                return
        connection.close()

    def _timed_out(self) -> RequestTimeout:
        said = "net/http: request canceled (Client.Timeout exceeded while awaiting headers)"
        return RequestTimeout(said, server=self.address.url)


class SyncStream:
    framed = False

    def __init__(self, exchange: Exchange, server: str) -> None:
        self._connection, self._wire, self._answer = exchange
        self.status = self._answer.status
        self.headers: Headers = _headers(self._answer)
        self._server = server
        self._closed = False

    def __iter__(self) -> Iterator[bytes]:
        while True:
            try:
                chunk = self._answer.read1(65536)
            except (OSError, http.client.HTTPException, ValueError, AttributeError) as error:
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
            self._wire.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._connection.close()


def _send(
    connection: http.client.HTTPConnection,
    method: str,
    target: str,
    authority: str,
    headers: RequestHeaders,
    body: bytes | None,
) -> None:
    connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
    connection.putheader("Host", authority)
    for name, value in headers.items():
        for one in (value,) if isinstance(value, str) else value:
            connection.putheader(name, one)
    if body is not None or method in ("POST", "PUT", "PATCH"):
        connection.putheader("Content-Length", str(len(body or b"")))
    connection.endheaders(body)


def _headers(answer: http.client.HTTPResponse) -> Headers:
    headers: dict[str, str] = {}
    for name, value in answer.getheaders():
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return headers


def _unpacked(answer: http.client.HTTPResponse, data: bytes) -> bytes:
    if answer.getheader("content-encoding") != "gzip":
        return data
    import zlib

    return zlib.decompress(data, 16 + zlib.MAX_WBITS)
