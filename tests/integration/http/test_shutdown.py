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
