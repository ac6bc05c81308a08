"""Compaction by age and by size; failures of the disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from sampan.storage import memory
from sampan.storage.contract import Compacted, Store, StoreError, StoreFailed, StoreFull
from sampan.storage.engine import EmbeddedStore
from sampan.storage.index import Index
from sampan.storage.log import Row
from sampan.storage.memory import MemoryLog
from sampan.storage.upkeep import UpkeepConfig
from sampan.storage.values import RecentValues


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


async def rewrite(store: Store, times: int, value: bytes = b"") -> int:
    kv = await store.get(key="/a") or await store.create(key="/a", value=b"")
    for _ in range(times):
        kv = await store.update(key="/a", value=value, expected_revision=kv.revision)
    return kv.revision


async def readable(store: Store, revision: int) -> bool:
    try:
        await store.range(prefix="/", revision=revision)
    except Compacted:
        return False
    return True


async def test_five_minutes_of_history_are_kept() -> None:
    clock = Clock()
    store = await memory.open_store(clock=clock)
    old = await rewrite(store, 10)
    await store.maintain()
    clock.now += 200
    new = await rewrite(store, 10)
    await store.maintain()
    clock.now += 90
    await store.maintain()
    assert await readable(store, old - 5)
    clock.now += 20  # the old ones are 310 s old, the new ones 110 s
    await store.maintain()
    assert not await readable(store, old - 5)
    assert await readable(store, new - 5)
    clock.now += 300
    await store.maintain()
    assert not await readable(store, new - 5)
    assert await readable(store, new)
    await store.close()


@pytest.mark.parametrize("config", [UpkeepConfig(history_bytes=20_000), UpkeepConfig(history_rows=20)])
async def test_history_that_takes_too_much_room_goes_early(config: UpkeepConfig) -> None:
    store = await memory.open_store(upkeep=config, clock=Clock())
    last = await rewrite(store, 100, b"x" * 1000)
    for _ in range(5):
        await asyncio.sleep(0)  # the store has noticed by itself; let it finish
    assert not await readable(store, last - 30)
    assert await readable(store, last - 3)
    assert store.index.garbage_bytes <= 25_000
    await store.close()


async def test_garbage_is_counted_right() -> None:
    store = await memory.open_store()
    await rewrite(store, 20, b"x" * 100)
    for number in range(10):
        await store.create(key=f"/b/{number}", value=b"y" * 50)
        if number % 2:
            await store.delete(key=f"/b/{number}")
        if number % 4 == 1:
            await store.create(key=f"/b/{number}", value=b"z")
    assert store.index.garbage_count > 0
    for revision in (10, 31, 36, await store.current_revision()):
        await store.compact(revision=revision)
    assert (store.index.garbage_count, store.index.garbage_bytes) == (0, 0)
    await store.close()


class FailingLog(MemoryLog):
    failure: StoreError | None = None

    def write(self, rows: list[Row], wanted: list[int], done: Callable[[Any, StoreError | None], None]) -> None:
        if self.failure is not None:
            asyncio.get_running_loop().call_soon(done, None, self.failure)
        else:
            super().write(rows, wanted, done)


async def open_failing() -> tuple[EmbeddedStore, FailingLog]:
    log = FailingLog()
    return EmbeddedStore(log=log, index=Index(), values=RecentValues(max_bytes=0), upkeep=UpkeepConfig()), log


async def test_a_full_disk_changes_nothing_and_passes() -> None:
    store, log = await open_failing()
    first = await store.create(key="/a", value=b"1")
    log.failure = StoreFull("full")
    async with store.watch(prefix="/") as watch:
        answers = await asyncio.gather(
            store.create(key="/b", value=b""),
            store.update(key="/a", value=b"2", expected_revision=first.revision),
            return_exceptions=True,
        )
        assert [type(answer) for answer in answers] == [StoreFull, StoreFull]
        assert answers[0] is not answers[1]
        assert await store.get(key="/a") == first
        assert await store.current_revision() == first.revision
        log.failure = None
        second = await store.create(key="/b", value=b"")
        assert second.revision == first.revision + 1
        assert [event.kv for event in await anext(watch)] == [second]
    await store.close()


async def test_a_failed_disk_ends_writing_but_not_reading() -> None:
    store, log = await open_failing()
    first = await store.create(key="/a", value=b"1")
    log.failure = StoreFailed("I/O error")
    with pytest.raises(StoreFailed, match="I/O error"):
        await store.create(key="/b", value=b"")
    log.failure = None
    with pytest.raises(StoreFailed):  # what became of /b is unknown: nothing may build on it
        await store.create(key="/c", value=b"")
    assert await store.get(key="/a") == first
    await store.close()
