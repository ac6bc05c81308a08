"""The worlds the suite runs in: one per implementation, each with a store and a way to let time pass."""

from __future__ import annotations

import asyncio
import math
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from sampan.storage import etcd, memory, sqlite
from sampan.storage.contract import Store
from sampan.storage.engine import EmbeddedStore
from sampan.storage.etcd.gateway import Connect
from sampan.storage.etcd.over_json import JsonConnection
from tests.unit.storage.etcd.member import Member


@dataclass(slots=True)
class World:
    store: Store
    advance: Callable[[float], Awaitable[None]]
    """Let so many seconds pass, and what the store does by itself in them."""
    end: Callable[[], None] = lambda: None

    async def close(self) -> None:
        await self.store.close()
        self.end()


@dataclass(slots=True)
class FakeClock:
    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


async def _embedded(store: EmbeddedStore, clock: FakeClock) -> World:
    async def advance(seconds: float) -> None:
        clock.now += seconds
        await store.maintain()

    return World(store, advance)


async def _memory(clock: FakeClock, _: Path) -> World:
    return await _embedded(await memory.open_store(clock=clock), clock)


async def _sqlite(clock: FakeClock, folder: Path) -> World:
    return await _embedded(await sqlite.open_store(path=folder / "store.db", clock=clock), clock)


async def _sqlite_from_disk(clock: FakeClock, folder: Path) -> World:
    """Nothing is held in memory, so that every value is read back."""
    return await _embedded(await sqlite.open_store(path=folder / "store.db", clock=clock, recent_bytes=0), clock)


_FASTER = 10  # leases last whole seconds of real time: the suite's minutes go by ten times faster


async def _etcd_grpc(clock: FakeClock, folder: Path) -> World:
    pytest.importorskip("grpc")
    return await _etcd(clock, folder)


async def _etcd_json(clock: FakeClock, folder: Path) -> World:
    return await _etcd(clock, folder, JsonConnection)


async def _etcd(_: FakeClock, folder: Path, connect: Connect | None = None) -> World:
    """A real etcd of its own: revisions are counted from 1."""
    if shutil.which("etcd") is None:
        pytest.skip("etcd is not installed")
    member = Member.start(folder)
    try:
        store = await etcd.open_store(
            member.address,
            history_seconds=0,
            lease_seconds=lambda seconds: math.ceil(seconds / _FASTER),
            connect=connect,
        )
    except BaseException:
        member.end()
        raise
    loop = asyncio.get_running_loop()
    begun, passed = loop.time(), 0.0

    async def advance(seconds: float) -> None:
        nonlocal passed
        passed += seconds
        await asyncio.sleep(begun + passed / _FASTER - loop.time())

    return World(store, advance, member.end)


WORLDS = {
    "memory": _memory,
    "sqlite": _sqlite,
    "sqlite-from-disk": _sqlite_from_disk,
    "etcd-grpc": _etcd_grpc,
    "etcd-json": _etcd_json,
}


@pytest.fixture(params=WORLDS)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    made = await WORLDS[request.param](FakeClock(), tmp_path)
    yield made
    await made.close()


@pytest.fixture
def store(world: World) -> Store:
    return world.store
