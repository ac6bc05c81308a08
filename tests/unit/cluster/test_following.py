"""An agent learns of servers while it runs, and remembers them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sampan.apiserver.bootstrap.servers import Address, publish
from sampan.client.connection import ConnectionSettings
from sampan.client.fake import FakeServer
from sampan.cluster.following import Following, addresses, client_of, follow, read
from tests.unit.client.servers import Server

ONE, TWO, THREE = (Address(6443, f"10.0.0.{n}") for n in (1, 2, 3))


class Told:
    """In place of a transport to several servers."""

    def __init__(self) -> None:
        self.servers: list[str] = []
        self.changed = asyncio.Event()

    def also(self, servers: list[str]) -> bool:
        self.servers = list(servers)
        self.changed.set()
        return True

    async def after(self) -> list[str]:
        async with asyncio.timeout(30):
            await self.changed.wait()
        self.changed.clear()
        return self.servers


async def announce(server: FakeServer, *servers: Address) -> None:
    async def look() -> list[Address]:
        return list(servers)

    await publish(server.client(), look)


@asynccontextmanager
async def agent(server: FakeServer, following: Following) -> AsyncIterator[Told]:
    told = Told()
    task = asyncio.create_task(follow(server.client(), told, following))  # type: ignore[arg-type]
    yield told
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not what():
            await asyncio.sleep(0)


async def test_servers_that_come_and_go(tmp_path: Path) -> None:
    server, following = FakeServer(), Following(tmp_path / "servers", known_as="https://10.0.0.1:6443")
    await announce(server, ONE)
    async with agent(server, following) as told:
        assert await told.after() == []
        await announce(server, ONE, TWO, THREE)
        assert await told.after() == ["https://10.0.0.2:6443", "https://10.0.0.3:6443"]
        await until(lambda: len(read(following)) == 2)
        await announce(server, ONE, THREE)
        assert await told.after() == ["https://10.0.0.3:6443"]
        await until(lambda: read(following) == ["https://10.0.0.3:6443"])


async def test_when_nobody_is_listed_the_known_ones_stay(tmp_path: Path) -> None:
    server, following = FakeServer(), Following(tmp_path / "servers")
    await announce(server, ONE, TWO)
    async with agent(server, following) as told:
        assert len(await told.after()) == 2
        await until(lambda: len(read(following)) == 2)
        await announce(server)
        await announce(server, THREE)
        await until(lambda: told.servers == ["https://10.0.0.3:6443"])
        await until(lambda: read(following) == ["https://10.0.0.3:6443"])


@pytest.fixture
def other() -> Iterator[Server]:
    made = Server()
    yield made
    made.stop()


async def test_what_was_learned_serves_the_next_start(tmp_path: Path, other: Server) -> None:
    """The one that was named is gone for good."""
    following = Following(tmp_path / "servers")
    following.file.write_text(other.url)
    async with client_of(ConnectionSettings(server="http://127.0.0.1:1"), following, user_agent="t") as client:
        assert (await client.transport.request("GET", "/version")).status == 200


def test_a_file_that_is_not_there_says_nothing(tmp_path: Path) -> None:
    assert read(Following(tmp_path / "servers")) == []
    assert addresses([]) == []
