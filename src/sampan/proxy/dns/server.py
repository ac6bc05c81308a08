"""Listens for questions over UDP and TCP on one address.

Datagrams are read from the socket directly, as many as wait, without a transport between: that is most of what a
question costs here.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import Awaitable

from sampan.proxy.dns.resolver import Resolver

_PER_TURN = 64
_IDLE_SECONDS = 10.0
_MOST_CONNECTIONS = 200
_MOST_WAITING = 2_000
_IP_FREEBIND = 15
Address = tuple[str, int] | tuple[str, int, int, int]
log = logging.getLogger(__name__)


class DnsServer:
    def __init__(self, resolver: Resolver, address: str, port: int = 53) -> None:
        self._resolver = resolver
        self.zone = resolver.zone
        self.address = address
        self.port = port
        self._udp: socket.socket | None = None
        self._tcp: asyncio.Server | None = None
        self._waiting: set[asyncio.Task[None]] = set()
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Port 0 takes one that is free for both protocols and sets `port`."""
        tcp = self._bound(socket.SOCK_STREAM, self.port)
        self.port = tcp.getsockname()[1]
        try:
            self._udp = self._bound(socket.SOCK_DGRAM, self.port)
        except OSError:
            tcp.close()
            raise
        self._udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        asyncio.get_running_loop().add_reader(self._udp.fileno(), self._drain)
        self._tcp = await asyncio.start_server(self._serve_connection, sock=tcp, backlog=128)

    def _bound(self, kind: socket.SocketKind, port: int) -> socket.socket:
        opened = socket.socket(socket.AF_INET6 if ":" in self.address else socket.AF_INET, kind)
        opened.setblocking(False)
        if kind is socket.SOCK_STREAM:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.setsockopt(socket.SOL_IP, _IP_FREEBIND, 1)  # the address may come after us
        try:
            opened.bind((self.address, port))
        except OSError as error:
            opened.close()
            where = f"{self.address} port {port}"
            raise OSError(error.errno, f"cluster DNS cannot listen on {where}: {error.strerror}") from error
        return opened

    async def stop(self) -> None:
        if self._udp is not None:
            asyncio.get_running_loop().remove_reader(self._udp.fileno())
            self._udp.close()
            self._udp = None
        if self._tcp is not None:
            self._tcp.close()
            self._tcp = None
        running = [*self._waiting, *self._connections]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    # -- UDP

    def _drain(self) -> None:
        udp = self._udp
        if udp is None:
            return
        for _ in range(_PER_TURN):
            try:
                data, client = udp.recvfrom(4096)
            except OSError:
                return  # nothing waits, or an error of an earlier reply is reported
            try:
                result = self._resolver.resolve(data)
            except Exception:
                log.exception("a question of %d bytes cannot be answered", len(data))
                continue
            if isinstance(result, bytes):
                self._send(result, client)
            elif result is not None:
                self._send_later(result, client)

    def _send(self, message: bytes, client: Address) -> None:
        if self._udp is None:
            return
        try:
            self._udp.sendto(message, client)
        except OSError as error:
            log.debug("a reply to %s is lost: %s", client, error)  # as on any network: the client asks again

    def _send_later(self, result: Awaitable[bytes], client: Address) -> None:
        async def finish() -> None:
            self._send(await result, client)

        task = asyncio.ensure_future(finish())
        if len(self._waiting) >= _MOST_WAITING:
            task.cancel()
            return
        self._waiting.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._waiting.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a question could not be forwarded", exc_info=error)

    # -- TCP

    async def _serve_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._connections) >= _MOST_CONNECTIONS:
            writer.close()
            return
        self._connections.add(task)
        try:
            await self._converse(reader, writer)
        except (OSError, EOFError, TimeoutError):
            pass  # the client went away
        finally:
            self._connections.discard(task)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            async with asyncio.timeout(_IDLE_SECONDS):
                size = struct.unpack(">H", await reader.readexactly(2))[0]
                data = await reader.readexactly(size)
            result = self._resolver.resolve(data, tcp=True)
            if result is None:
                return
            message = result if isinstance(result, bytes) else await result
            writer.write(struct.pack(">H", len(message)) + message)
            await writer.drain()
