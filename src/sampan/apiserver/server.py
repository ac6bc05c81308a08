"""The API server as a process: TLS, sockets, connections; `serve(config)` runs until it is cancelled."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from sampan.apiserver.chain import Chain
from sampan.apiserver.http1 import Connection
from sampan.client.tls import serve_newest
from sampan.storage.contract import Store

log = logging.getLogger(__name__)

_BACKLOG = 1024
_SWEEP_SECONDS = 15.0
# A connection that asks nothing for this long is closed; one that does not take what is sent is cut.
_IDLE_SECONDS = 90.0
_STUCK_SECONDS = 60.0
_FINISH_SECONDS = 1.0


class ServerConfig(Struct, kw_only=True):
    """`certificate`, `key` and `client_ca` are files; without a certificate the server speaks plain HTTP (tests).
    `listeners` are bound already: whoever had to know the port before gives them, in place of hosts and port."""

    hosts: Sequence[str] = ("127.0.0.1",)
    port: int = 6443
    listeners: Sequence[socket.socket] = ()
    certificate: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None
    store: Store | None = None


class Server:
    """Listens for one chain."""

    def __init__(self, chain: Chain, config: ServerConfig) -> None:
        self.chain = chain
        self.config = config
        self.connections: set[Connection] = set()
        self._servers: list[asyncio.Server] = []
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def port(self) -> int:
        port: int = self._servers[0].sockets[0].getsockname()[1]
        return port

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        context = tls_context(self.config)

        def connect() -> Connection:
            return Connection(self.chain, self.connections, loop)

        for listener in self.config.listeners or self._listen():
            # What connections leave behind must not keep the port from the next server, also where the system chose it.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._servers.append(await loop.create_server(connect, sock=listener, ssl=context, backlog=_BACKLOG))
        self._tasks = [loop.create_task(self._sweep())]
        if self.chain.core.freshness is not None:
            self._tasks.append(loop.create_task(self.chain.core.freshness.run()))

    def _listen(self) -> Iterator[socket.socket]:
        port = self.config.port
        for host in self.config.hosts:
            listener = listen(host, port)
            port = port or listener.getsockname()[1]
            yield listener

    async def stop(self) -> None:
        """No new connections; watches end as if their time were up; what is being answered has a moment to finish."""
        for task in self._tasks:
            task.cancel()
        for server in self._servers:
            server.close()
        self.chain.core.caches.end_watches()
        for connection in list(self.connections):
            connection.finish()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _FINISH_SECONDS
        while self.connections and loop.time() < deadline:  # noqa: ASYNC110 - for a second at most, while stopping
            await asyncio.sleep(0.01)
        for connection in list(self.connections):
            if connection.transport is not None:
                connection.transport.abort()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            self.sweep()

    def sweep(self) -> None:
        """Cut off who neither asks nor reads."""
        now = time.monotonic()
        for connection in list(self.connections):
            if connection.transport is None:
                continue
            stuck = connection.writing_since and now - connection.writing_since > _STUCK_SECONDS
            if stuck or (connection.idle and now - connection.active > _IDLE_SECONDS):
                connection.transport.abort()


def listen(host: str, port: int) -> socket.socket:
    """Bound; a port that the system is to choose (0) is then nobody else's."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    if port:  # else others who reuse addresses could be given the same one until it listens
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listener.bind((host, port))
    listener.setblocking(False)
    return listener


def tls_context(config: ServerConfig) -> ssl.SSLContext | None:
    if config.certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    assert config.key is not None
    serve_newest(context, config.certificate, config.key)
    context.set_alpn_protocols(["http/1.1"])
    if config.client_ca is not None:
        context.load_verify_locations(config.client_ca)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


async def serve(config: ServerConfig, chain: Chain, *, ready: Callable[[Server], None] | None = None) -> None:
    server = Server(chain, config)
    await server.start()
    if ready is not None:
        ready(server)
    try:
        await asyncio.Event().wait()
    finally:
        await server.stop()
