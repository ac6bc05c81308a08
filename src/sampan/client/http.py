"""The transport of components: a pool of connections to one server, on the event loop.

Names and shapes are `sampan.client.transport`'s. The HTTP is our own (`sampan.client.async_http1`): a component makes
thousands of small requests, and a general client's generality is most of their cost, and most of a process's start.
Upgrades are made on a connection of their own (`sampan.client.async_websocket`).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from sampan.client.answers import retry_after
from sampan.client.api import Client
from sampan.client.async_http1 import AsyncConnection, keep_alive
from sampan.client.clock import Clock, RealClock
from sampan.client.connection import ConnectionSettings, address_of, proxy_for
from sampan.client.credentials import Credentials
from sampan.client.http1 import Head, NoAnswer, ProtocolError, request_bytes
from sampan.client.tls import explain, tls_context, written
from sampan.client.transport import (
    ConnectionRefused,
    Headers,
    Query,
    RequestHeaders,
    RequestTimeout,
    Response,
    StreamResponse,
    Transport,
    TransportError,
    UnknownHost,
)

if TYPE_CHECKING:
    from sampan.client.async_websocket import AsyncWebSocket

RETRIES = 10
CONNECT_SECONDS = 30.0
REQUEST_SECONDS = 60.0
IDLE_SECONDS = 30.0  # less than any server waits before it closes


def connect(settings: ConnectionSettings, *, user_agent: str = "sampan", field_manager: str = "") -> Client:
    """A client over HTTP, to one server or several (`https://a:6443,https://b:6443`). Close it (`client.close()`)."""
    transport: Transport
    if "," in settings.server:
        from sampan.client.failover import FailoverTransport

        transport = FailoverTransport(settings)
    else:
        transport = HttpTransport(settings)
    return Client(transport, user_agent=user_agent, field_manager=field_manager)


class HttpTransport:
    def __init__(
        self,
        settings: ConnectionSettings,
        *,
        clock: Clock | None = None,
        retries: int = RETRIES,
        connect_seconds: float = CONNECT_SECONDS,
    ) -> None:
        self.settings = settings
        self._retries, self._connect_seconds = retries, connect_seconds
        self.address = address_of(settings.server)
        self._credentials = Credentials(settings)
        self._proxy = proxy_for(self.address, settings.proxy_url)
        self._clock: Clock = clock or RealClock()
        self._tls: ssl.SSLContext | None = None
        self._tls_cert = b""
        self._tls_file = 0
        self._idle: list[AsyncConnection] = []
        self._open: set[AsyncConnection] = set()

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
        limit = timeout or self.settings.timeout or REQUEST_SECONDS
        for attempt in range(self._retries + 1):
            response = await self._answered(method, path, query, headers, body, limit)
            seconds = retry_after(response.headers)
            if attempt < self._retries and seconds is not None and (response.status == 429 or response.status >= 500):
                await self._clock.sleep(seconds)
                continue
            break
        return response

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        headers: RequestHeaders | None = None,
        body: bytes | None = None,
    ) -> AsyncIterator[StreamResponse]:
        # The server must begin to answer in time; what it then says may take for ever.
        try:
            async with asyncio.timeout(self.settings.timeout or REQUEST_SECONDS):
                connection, head = await self._exchange(method, path, query, headers, body)
        except (OSError, ProtocolError) as error:
            raise self._explained(error) from error
        try:
            yield _Stream(connection, head, self)
        finally:
            connection.abort()

    async def upgrade(
        self,
        path: str,
        *,
        query: Query | None = None,
        headers: RequestHeaders | None = None,
        subprotocols: Sequence[str] = (),
    ) -> AsyncWebSocket:
        from sampan.client.async_websocket import open_websocket

        own = await self._own_headers()
        return await open_websocket(
            self.address,
            self._target(path, query),
            {**own, **(headers or {})},
            subprotocols,
            tls=self._tls_context(),
            proxy=self._proxy,
            server_name=self.settings.tls_server_name,
        )

    async def close(self) -> None:
        for connection in [*self._open]:
            connection.close()
        self._idle.clear()
        await asyncio.sleep(0)  # lets the sockets close

    def abort(self) -> None:
        """The server has failed: whoever still waits for it is told so."""
        for connection in [*self._open]:
            connection.abort()

    def reload(self) -> None:
        """Connections from now on use the certificates that are there now."""
        self._tls = None
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    # -- one exchange ------------------------------------------------------------------------------------------------

    async def _answered(
        self,
        method: str,
        path: str,
        query: Query | None,
        headers: RequestHeaders | None,
        body: bytes | None,
        limit: float,
    ) -> Response:
        connection: AsyncConnection | None = None
        try:
            async with asyncio.timeout(limit):
                connection, head = await self._exchange(method, path, query, headers, body)
                data = await connection.read_all()
        except (OSError, ProtocolError) as error:
            if connection is not None:
                connection.abort()
            raise self._explained(error) from error
        except asyncio.CancelledError:
            if connection is not None:
                connection.abort()
            raise
        if connection.reusable:
            connection.idle_since = self._clock.monotonic()
            self._idle.append(connection)
        else:
            connection.close()
        return Response(head.status, head.headers, data)

    async def _exchange(
        self, method: str, path: str, query: Query | None, headers: RequestHeaders | None, body: bytes | None
    ) -> tuple[AsyncConnection, Head]:
        target = self._target(path, query)
        connection, head = await self._once(method, target, headers, body)
        if head.status == 401 and self._credentials.renewable:
            connection.abort()
            self._credentials.forget()
            connection, head = await self._once(method, target, headers, body)
        return connection, head

    async def _once(
        self, method: str, target: str, headers: RequestHeaders | None, body: bytes | None
    ) -> tuple[AsyncConnection, Head]:
        own = await self._own_headers()
        request = request_bytes(method, target, _pairs({"host": self.address.authority}, own, headers or {}), body)
        connection = self._take()
        reused = connection is not None
        connection = connection or await self._connect()
        try:
            return connection, await connection.exchange(request)
        except (NoAnswer, ConnectionError):
            connection.abort()
            if reused and method == "GET":  # it was closed while it was idle
                return await self._once(method, target, headers, body)
            raise
        except BaseException:
            connection.abort()
            raise

    def _take(self) -> AsyncConnection | None:
        oldest = self._clock.monotonic() - IDLE_SECONDS
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable and connection.idle_since >= oldest:
                return connection
            connection.close()
        return None

    async def _connect(self) -> AsyncConnection:
        tls = self._tls_context()
        name = (self.settings.tls_server_name or self.address.host) if tls is not None else None
        loop = asyncio.get_running_loop()
        if self._proxy:
            from sampan.client.sync_dial import dial

            wire = await asyncio.to_thread(dial, self.address, self._proxy, None)
            wire.setblocking(False)
            _, connection = await loop.create_connection(self._connection, sock=wire, ssl=tls, server_hostname=name)
            return connection
        async with asyncio.timeout(self._connect_seconds):
            host, port = self.address.host, self.address.port
            made, connection = await loop.create_connection(self._connection, host, port, ssl=tls, server_hostname=name)
        keep_alive(made.get_extra_info("socket"))
        return connection

    def _connection(self) -> AsyncConnection:
        connection = AsyncConnection(self._lost)
        self._open.add(connection)
        return connection

    def _lost(self, connection: AsyncConnection) -> None:
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def _target(self, path: str, query: Query | None) -> str:
        target = self.address.prefix + path
        return f"{target}?{urlencode(query, doseq=True)}" if query else target

    async def _own_headers(self) -> dict[str, str | Sequence[str]]:
        if self._credentials.needs_exec:
            own = await asyncio.to_thread(self._credentials.headers)
        else:
            own = self._credentials.headers()
        # Packing costs a server more than it saves on the networks that components use.
        return {"accept-encoding": "identity", **self.settings.impersonation_headers(), **own}

    def _tls_context(self) -> ssl.SSLContext | None:
        if not self.address.tls:
            return None
        cert = self._credentials.cert  # of an exec plugin, which may give a new one
        newest = written(self.settings.cert_file) if self.settings.cert_file else 0
        if self._tls is None or (self._tls_cert, self._tls_file) != (cert, newest):
            self.reload()
            self._tls = tls_context(self.settings, cert=cert, key=self._credentials.key)
            self._tls_cert, self._tls_file = cert, newest
        return self._tls

    def _explained(self, error: Exception) -> TransportError:
        server = self.address.url
        where = f"{self.address.host}:{self.address.port}"
        if isinstance(error, TimeoutError):
            return RequestTimeout("context deadline exceeded", server=server)
        if isinstance(error, ssl.SSLError):
            return explain(error, server)
        if isinstance(error, socket.gaierror):
            return UnknownHost(f"dial tcp: lookup {self.address.host}: no such host", server=server)
        # Of a name with several addresses the loop joins the errors into one text.
        if isinstance(error, ConnectionRefusedError) or "[Errno 111]" in str(error):
            return ConnectionRefused(f"dial tcp {where}: connect: connection refused", server=server)
        return TransportError(str(error) or type(error).__name__, server=server)


class _Stream:
    framed = False

    def __init__(self, connection: AsyncConnection, head: Head, transport: HttpTransport) -> None:
        self.status = head.status
        self.headers: Headers = head.headers
        self._connection = connection
        self._transport = transport

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while chunk := await self._connection.read_some():
                yield chunk
        except (OSError, ProtocolError) as error:
            raise self._transport._explained(error) from error


def _pairs(*groups: RequestHeaders) -> list[tuple[str, str]]:
    return [
        (name, one)
        for group in groups
        for name, value in group.items()
        for one in ((value,) if isinstance(value, str) else value)
    ]
