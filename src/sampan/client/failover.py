"""A transport to several servers of one cluster: it stays with one until that one fails, then goes to the next.

What certainly has not begun is asked of the next server; a read is asked again in any case. A write whose connection
broke is not: its outcome is unknown, and whoever made it decides. When a server is given up for not answering, its
streams are cut, so that watches go on at another one instead of waiting for events that do not come.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from msgspec.structs import replace

from sampan.client.answers import retry_after
from sampan.client.clock import Clock, RealClock
from sampan.client.connection import ConnectionSettings
from sampan.client.http import HttpTransport
from sampan.client.transport import (
    ConnectionRefused,
    Query,
    RequestHeaders,
    Response,
    StreamResponse,
    TransportError,
    Upgraded,
)

log = logging.getLogger(__name__)

ROUNDS = 10  # of all servers, while they say that they are busy
ANSWER_SECONDS = 15.0
CONNECT_SECONDS = 3.0


class FailoverTransport:
    def __init__(self, settings: ConnectionSettings, *, clock: Clock | None = None) -> None:
        self._clock: Clock = clock or RealClock()
        self._settings = settings
        self._named = addresses(settings.server)
        self._servers = [self._to(server) for server in self._named]
        self._current = 0

    def _to(self, server: str) -> HttpTransport:
        settings = replace(self._settings, server=server, timeout=self._settings.timeout or ANSWER_SECONDS)
        return HttpTransport(settings, clock=self._clock, retries=0, connect_seconds=CONNECT_SECONDS)

    def also(self, servers: Sequence[str]) -> bool:
        """From now on these, besides those that were named at first; says whether that changes anything. The streams of
        one that is let go are cut."""
        wanted = list(dict.fromkeys([*self._named, *servers]))
        before = {server.settings.server: server for server in self._servers}
        if wanted == list(before):
            return False
        current = self._servers[self._current]
        self._servers = [before[url] if url in before else self._to(url) for url in wanted]
        self._current = self._servers.index(current) if current in self._servers else 0
        for url in before.keys() - set(wanted):
            before[url].abort()
        return True

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
        tries = len(self._servers) * ROUNDS
        for attempt in range(1, tries + 1):
            server = self._servers[self._current]
            try:
                response = await server.request(method, path, query=query, headers=headers, body=body, timeout=timeout)
            except TransportError as error:
                self._give_up(server, error)
                again = method == "GET" or isinstance(error, ConnectionRefused)
                if not again or attempt >= len(self._servers):
                    raise
                continue
            seconds = retry_after(response.headers)
            if seconds is None or (response.status != 429 and response.status < 500) or attempt == tries:
                break
            if response.status >= 500:
                self._pass_over(server)
            if attempt % len(self._servers) == 0 or response.status == 429:
                await self._clock.sleep(seconds)
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
        server = self._servers[self._current]
        try:
            async with server.stream(method, path, query=query, headers=headers, body=body) as response:
                if response.status >= 500:
                    self._pass_over(server)
                yield response
        except TransportError as error:
            self._give_up(server, error)
            raise

    async def upgrade(
        self,
        path: str,
        *,
        query: Query | None = None,
        headers: RequestHeaders | None = None,
        subprotocols: Sequence[str] = (),
    ) -> Upgraded:
        return await self._servers[self._current].upgrade(path, query=query, headers=headers, subprotocols=subprotocols)

    async def close(self) -> None:
        for server in self._servers:
            await server.close()

    def reload(self) -> None:
        for server in self._servers:
            server.reload()

    def _give_up(self, server: HttpTransport, error: TransportError) -> None:
        if self._pass_over(server):
            log.info("%s: %s; going on with %s", server.address.url, error, self._servers[self._current].address.url)
            server.abort()

    def _pass_over(self, server: HttpTransport) -> bool:
        """What comes next goes to another server (than this one, if it is still the current one)."""
        if len(self._servers) == 1 or self._servers[self._current] is not server:
            return False
        self._current = (self._current + 1) % len(self._servers)
        return True


def addresses(servers: str) -> list[str]:
    """`https://a:6443,https://b:6443`; what has no scheme has the first one's."""
    found = [server.strip() for server in servers.split(",") if server.strip()]
    scheme, mark, _ = found[0].partition("://") if found else ("", "", "")
    return [server if "://" in server or not mark else f"{scheme}://{server}" for server in found]
