"""Stopping: watches end, answers are finished, nobody waits for ever."""

from __future__ import annotations

import asyncio

import pytest

from sampan.apiserver import server as module
from sampan.apiserver.contracts import User
from sampan.apiserver.request import Request
from sampan.apiserver.server import Server, ServerConfig
from sampan.apiserver.wiring import build_for_tests


class Everybody:
    async def authenticate(self, request: Request) -> User | None:
        return User(name="admin", groups=("system:masters",))


async def test_a_watch_ends_properly_and_idle_connections_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FINISH_SECONDS", 100)  # nobody makes the server wait for that long
    server = Server(await build_for_tests(authenticators=[Everybody()]), ServerConfig(port=0))
    await server.start()
    watching, idle = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(2)]
    watching[1].write(b"GET /api/v1/namespaces?watch=1 HTTP/1.1\r\nHost: x\r\n\r\n")
    await watching[0].readuntil(b"\r\n\r\n")
    await asyncio.wait_for(server.stop(), 20)
    assert await asyncio.wait_for(watching[0].read(), 5) == b"0\r\n\r\n"
    assert await asyncio.wait_for(idle[0].read(), 5) == b""
    assert not server.connections


async def test_the_next_server_gets_the_port_that_the_system_chose_for_the_last() -> None:
    """What a connection leaves behind (the server closed it first) would keep it busy for a minute."""
    chain = await build_for_tests()
    first = Server(chain, ServerConfig(port=0))
    await first.start()
    port = first.port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert b"200 OK" in await asyncio.wait_for(reader.read(), 10)
    writer.close()
    await first.stop()
    second = Server(chain, ServerConfig(port=port))
    await second.start()
    assert second.port == port
    await second.stop()
