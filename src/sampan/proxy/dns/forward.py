"""Asking other servers for names that are not the cluster's: the host's own, or those of a stub domain.

Every try has a socket of its own, so the source port is as hard to guess as the id. The same question asked by many at
once goes out once.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import struct
from collections.abc import Callable, Mapping
from pathlib import Path

from sampan.proxy.dns.cache import Cache, Key
from sampan.proxy.dns.wire import CD, QR, TC, UDP_SIZE, Question, encode_name

_TRY_SECONDS = 2.0
_ROUNDS = 2
_RELOAD_SECONDS = 5.0
_OPT = b"\0" + struct.pack(">HHIH", 41, UDP_SIZE, 0, 0)
_OPT_DNSSEC = b"\0" + struct.pack(">HHIH", 41, UDP_SIZE, 0x8000, 0)
log = logging.getLogger(__name__)

Server = tuple[str, int]


def parse_server(text: str) -> Server:
    """`1.2.3.4`, `1.2.3.4:5353`, `fe80::1`, `[fe80::1]:5353`."""
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        return host, int(port.removeprefix(":") or 53)
    if text.count(":") == 1:
        host, _, port = text.partition(":")
        return host, int(port)
    return text, 53


def nameservers(resolv_conf: str, *, without: str) -> list[Server]:
    """Pure. Our own address is left out: asking ourselves would go round in circles."""
    found = []
    for line in resolv_conf.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver" and words[1] != without:
            found.append((words[1].partition("%")[0], 53))
    return found


class Upstreams:
    """Which servers to ask for a name: a stub domain's, the configured ones, or those of the host at this moment."""

    def __init__(
        self,
        *,
        fixed: tuple[str, ...] | None,
        resolv_conf: Path,
        stub_domains: Mapping[str, tuple[str, ...]],
        own_address: str,
        now: Callable[[], float],
        systemd: Path = Path("/run/systemd/resolve/resolv.conf"),
    ) -> None:
        self._fixed = [parse_server(text) for text in fixed] if fixed is not None else None
        self._path = resolv_conf
        self._systemd = systemd
        self._own = own_address
        self._now = now
        stubs = [(encode_name(name), list(map(parse_server, servers))) for name, servers in stub_domains.items()]
        self._stubs = sorted(stubs, key=lambda stub: -len(stub[0]))  # the longest match wins
        self._read: list[Server] = []
        self._checked = float("-inf")
        self._stamp: tuple[int, int] | None = None

    def of(self, name: bytes) -> list[Server]:
        for suffix, servers in self._stubs:
            if name == suffix or (name.endswith(suffix) and _is_below(name, suffix)):
                return servers
        return self._fixed if self._fixed is not None else self._host()

    def _host(self) -> list[Server]:
        now = self._now()
        if now - self._checked >= _RELOAD_SECONDS:
            self._checked = now
            try:
                status = os.stat(self._path)
                stamp = (status.st_mtime_ns, status.st_ino)
                if stamp != self._stamp:
                    self._read = self._read_servers()
                    self._stamp = stamp
            except OSError as error:
                log.warning("%s cannot be read: %s", self._path, error)
                self._read, self._stamp = [], None
        return self._read

    def _read_servers(self) -> list[Server]:
        """Past systemd's local resolver to the servers it asks: a node in a namespace cannot reach the former."""
        found = nameservers(self._path.read_text(), without=self._own)
        if found and all(host.startswith("127.") for host, _ in found) and self._systemd.exists():
            behind = nameservers(self._systemd.read_text(), without=self._own)
            return [server for server in behind if not server[0].startswith("127.")] or found
        return found


def _is_below(name: bytes, suffix: bytes) -> bool:
    at, start = 0, len(name) - len(suffix)
    while at < start:
        at += name[at] + 1
    return at == start


class Forwarder:
    def __init__(self, upstreams: Upstreams, cache: Cache, *, try_seconds: float = _TRY_SECONDS) -> None:
        self._upstreams = upstreams
        self._cache = cache
        self._seconds = try_seconds
        self._asking: dict[Key, asyncio.Future[bytes | None]] = {}

    def cached(self, question: Question) -> bytes | None:
        return self._cache.get(_key(question))

    async def ask(self, question: Question) -> bytes | None:
        """Upstream's message (its id is not the client's), or None when nobody answers."""
        key = _key(question)
        if (held := self._cache.get(key)) is not None:
            return held
        asking = self._asking.get(key)
        if asking is None:
            asking = self._asking[key] = asyncio.ensure_future(self._ask_all(question))
            asking.add_done_callback(lambda _: self._asking.pop(key, None))
        return await asyncio.shield(asking)

    async def _ask_all(self, question: Question) -> bytes | None:
        servers = self._upstreams.of(question.name)
        for _ in range(_ROUNDS):
            for server in servers:
                try:
                    message = await self._ask_one(question, server)
                except (OSError, TimeoutError, EOFError) as error:
                    log.debug("%s does not answer: %r", server, error)
                    continue
                self._cache.put(_key(question), message)
                return message
        return None

    async def _ask_one(self, question: Question, server: Server) -> bytes:
        identity = secrets.randbelow(1 << 16)
        flags = 0x0100 | (question.flags & CD)
        edns = _OPT_DNSSEC if question.dnssec_ok else _OPT
        asked = struct.pack(">HHHHHH", identity, flags, 1, 0, 0, 1) + question.raw + edns
        message = await _over_udp(asked, server, self._seconds)
        if message[2] << 8 & TC:
            message = await _over_tcp(asked, server, self._seconds)
        return message


def _key(question: Question) -> Key:
    return question.name, question.kind, question.dnssec_ok, bool(question.flags & CD)


class _Waiting(asyncio.DatagramProtocol):
    """The first datagram that answers this very question."""

    def __init__(self, asked: bytes) -> None:
        self._asked = asked
        self._question = asked[12:-11].lower()
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: object) -> None:
        ours = data[:2] == self._asked[:2] and len(data) >= 12 and data[2] << 8 & QR
        if ours and not self.answer.done() and data[12 : 12 + len(self._question)].lower() == self._question:
            self.answer.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(exc)


async def _over_udp(asked: bytes, server: Server, seconds: float) -> bytes:
    loop = asyncio.get_running_loop()
    transport, waiting = await loop.create_datagram_endpoint(lambda: _Waiting(asked), remote_addr=server)
    try:
        transport.sendto(asked)
        async with asyncio.timeout(seconds):
            return await waiting.answer
    finally:
        transport.close()


async def _over_tcp(asked: bytes, server: Server, seconds: float) -> bytes:
    async with asyncio.timeout(seconds):
        reader, writer = await asyncio.open_connection(*server)
        try:
            writer.write(struct.pack(">H", len(asked)) + asked)
            size = struct.unpack(">H", await reader.readexactly(2))[0]
            message = await reader.readexactly(size)
        finally:
            writer.close()
    if message[:2] != asked[:2]:
        raise OSError(f"{server} answered something else")
    return message
