"""The worlds the suite runs in: one per implementation, each with a store and a way to let time pass."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from sampan.storage import memory, sqlite
from sampan.storage.contract import Store
from sampan.storage.engine import EmbeddedStore


@dataclass(slots=True)
class World:
    store: Store
    advance: Callable[[float], Awaitable[None]]
    """Let so many seconds pass, and what the store does by itself in them."""


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


WORLDS = {"memory": _memory, "sqlite": _sqlite, "sqlite-from-disk": _sqlite_from_disk}


@pytest.fixture(params=WORLDS)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    made = await WORLDS[request.param](FakeClock(), tmp_path)
    yield made
    await made.store.close()


@pytest.fixture
def store(world: World) -> Store:
    return world.store
