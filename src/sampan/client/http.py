"""The transport of components: aiohttp, one pool of connections to one server.

Names and shapes are `sampan.client.transport`'s. Upgrades are made on a connection of their own
(`sampan.client.async_websocket`).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from sampan.client.answers import retry_after
from sampan.client.api import Client
from sampan.client.clock import Clock, RealClock
from sampan.client.connection import ConnectionSettings, address_of, proxy_for
from sampan.client.credentials import Credentials
from sampan.client.tls import explain, tls_context
from sampan.client.transport import (
    ConnectionRefused,
    Headers,
    Query,
    RequestHeaders,
    RequestTimeout,
    Response,
    StreamResponse,
    TransportError,
    UnknownHost,
)

if TYPE_CHECKING:
    from sampan.client.async_websocket import AsyncWebSocket

RETRIES = 10
CONNECT_SECONDS = 30.0
REQUEST_SECONDS = 60.0


def connect(settings: ConnectionSettings, *, user_agent: str = "sampan", field_manager: str = "") -> Client:
    """A client over HTTP. Close it (`client.close()`) when done."""
    return Client(HttpTransport(settings), user_agent=user_agent, field_manager=field_manager)


class HttpTransport:
    def __init__(self, settings: ConnectionSettings, *, clock: Clock | None = None) -> None:
        self.settings = settings
        self.address = address_of(settings.server)
        self._credentials = Credentials(settings)
        self._proxy = proxy_for(self.address, settings.proxy_url)
        self._clock: Clock = clock or RealClock()
        self._session: aiohttp.ClientSession | None = None
        self._session_cert = b""
        self._tls: ssl.SSLContext | None = None
        self._retired: set[asyncio.Task[None]] = set()

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
        renewed = False
        for attempt in range(RETRIES + 1):
            try:
                answer = await self._send(method, path, query, headers, body, aiohttp.ClientTimeout(total=limit))
                async with answer:
                    response = Response(answer.status, _headers(answer.headers), await answer.read())
            except (aiohttp.ClientError, OSError) as error:  # a timeout is an OSError
                raise self._explained(error) from error
            if response.status == 401 and self._credentials.renewable and not renewed:
                renewed = True
                self._credentials.forget()
                continue
            seconds = retry_after(response.headers)
            if attempt < RETRIES and seconds is not None and (response.status == 429 or response.status >= 500):
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
        limit = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)
        try:
            async with asyncio.timeout(self.settings.timeout or REQUEST_SECONDS):
                answer = await self._send(method, path, query, headers, body, limit)
                if answer.status == 401 and self._credentials.renewable:
                    answer.close()
                    self._credentials.forget()
                    answer = await self._send(method, path, query, headers, body, limit)
        except (aiohttp.ClientError, OSError) as error:
            raise self._explained(error) from error
        try:
            yield _Stream(answer, self)
        finally:
            answer.close()

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
        if self.address.tls and self._tls is None:
            self._tls = self._tls_context()
        return await open_websocket(
            self.address,
            self._target(path, query),
            {**own, **(headers or {})},
            subprotocols,
            tls=self._tls if self.address.tls else None,
            proxy=self._proxy,
            server_name=self.settings.tls_server_name,
        )

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()
        await asyncio.gather(*self._retired, return_exceptions=True)

    def reload(self) -> None:
        """Certificate files have changed: connections from now on use the new ones."""
        session, self._session, self._tls = self._session, None, None
        if session is not None:
            retired = asyncio.create_task(session.close())
            self._retired.add(retired)
            retired.add_done_callback(self._retired.discard)

    async def _send(
        self,
        method: str,
        path: str,
        query: Query | None,
        headers: RequestHeaders | None,
        body: bytes | None,
        timeout: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        own = await self._own_headers()
        session = self._open_session()
        all_headers: CIMultiDict[str] = CIMultiDict()
        for name, value in (*own.items(), *(headers or {}).items()):
            for one in (value,) if isinstance(value, str) else value:
                all_headers.add(name, one)
        return await session.request(
            method,
            URL(f"{self.address.scheme}://{self.address.authority}{self._target(path, query)}", encoded=True),
            headers=all_headers,
            data=body,
            allow_redirects=False,
            proxy=self._proxy or None,
            server_hostname=self.settings.tls_server_name or None,
            timeout=timeout,
        )

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

    def _tls_context(self) -> ssl.SSLContext:
        return tls_context(self.settings, cert=self._credentials.cert, key=self._credentials.key)

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is not None and self._session_cert != self._credentials.cert:
            self.reload()
        if self._session is None:
            if self._proxy.startswith("socks5"):
                raise TransportError("components cannot use a SOCKS proxy: use an HTTP proxy", server=self.address.url)
            self._session_cert = self._credentials.cert
            if self.address.tls:
                self._tls = self._tls_context()
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, ssl=self._tls if self._tls is not None else True),
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
                auto_decompress=True,
                trust_env=False,
            )
        return self._session

    def _explained(self, error: BaseException) -> TransportError:
        server = self.address.url
        where = f"{self.address.host}:{self.address.port}"
        if isinstance(error, TimeoutError):
            return RequestTimeout("context deadline exceeded", server=server)
        if isinstance(error, aiohttp.ClientConnectorCertificateError) and isinstance(
            error.certificate_error, ssl.SSLError
        ):
            return explain(error.certificate_error, server)
        cause: Any = getattr(error, "os_error", None) or error
        if isinstance(cause, ssl.SSLError):
            return explain(cause, server)
        if isinstance(error, aiohttp.ClientConnectorDNSError):
            return UnknownHost(f"dial tcp: lookup {self.address.host}: no such host", server=server)
        if isinstance(cause, ConnectionRefusedError):
            return ConnectionRefused(f"dial tcp {where}: connect: connection refused", server=server)
        return TransportError(f"{error}" or type(error).__name__, server=server)


class _Stream:
    framed = False

    def __init__(self, answer: aiohttp.ClientResponse, transport: HttpTransport) -> None:
        self.status = answer.status
        self.headers: Headers = _headers(answer.headers)
        self._answer = answer
        self._transport = transport

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._answer.content.iter_any():
                yield chunk
        except (aiohttp.ClientError, OSError) as error:
            raise self._transport._explained(error) from error


def _headers(headers: Mapping[str, str]) -> Headers:
    found: dict[str, str] = {}
    for name, value in headers.items():
        key = name.lower()
        found[key] = f"{found[key]}, {value}" if key in found else value
    return found
