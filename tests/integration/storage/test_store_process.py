"""The store's process is killed under a server that lives on: no write is lost or done twice, no event either."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from pathlib import Path

import pytest
import uvloop

from sampan.storage import sqlite
from sampan.storage.contract import KeyValue, StoreFailed, WatchEvent
from sampan.storage.engine import EmbeddedStore
from sampan.storage.process import StoreProcess

from .crashes import await_end


def process_of(store: EmbeddedStore) -> int:
    log = store._log
    assert isinstance(log, StoreProcess)
    return log.pid


async def test_it_is_replaced_and_nobody_notices(tmp_path: Path) -> None:
    store = await sqlite.open_store(path=tmp_path / "store.db", recent_bytes=100_000)
    heard: list[WatchEvent] = []
    store.subscribe(prefix="/", callback=heard.extend)
    made: list[KeyValue] = []
    stop = False

    async def write(writer: int) -> None:
        number = 0
        while not stop:
            kv = await store.create(key=f"/{writer}/{number}", value=random.randbytes(2000))
            made.append(kv)
            made.append(await store.update(key=kv.key, value=b"2", expected_revision=kv.revision))
            number += 1

    writing = [asyncio.ensure_future(write(writer)) for writer in range(8)]
    for _ in range(4):
        await asyncio.sleep(random.uniform(0.05, 0.15))
        count = len(made)
        os.kill(process_of(store), signal.SIGKILL)
        async with asyncio.timeout(10):
            while len(made) <= count + 50:
                await asyncio.sleep(0.01)
    stop = True
    await asyncio.gather(*writing)

    assert sorted(kv.revision for kv in made) == list(range(2, len(made) + 2))
    assert [event.kv for event in heard] == sorted(made, key=lambda kv: kv.revision)
    state = (await store.range(prefix="/")).items
    await store.close()
    store = await sqlite.open_store(path=tmp_path / "store.db")
    assert (await store.range(prefix="/")).items == state
    assert {kv.key: kv for kv in made if kv.value == b"2"} == {kv.key: kv for kv in state}
    await store.close()


async def test_reads_go_on_too(tmp_path: Path) -> None:
    store = await sqlite.open_store(path=tmp_path / "store.db", recent_bytes=0)
    made = await store.create(key="/a", value=b"1")
    os.kill(process_of(store), signal.SIGKILL)
    assert await store.get(key="/a") == made
    await store.close()


async def test_one_that_dies_while_it_takes_over(tmp_path: Path) -> None:
    store = await sqlite.open_store(path=tmp_path / "store.db")
    await asyncio.gather(*(store.create(key=f"/{number}", value=bytes(3000)) for number in range(2000)))
    for delay in (0.0, 0.01, 0.03):
        first = process_of(store)
        os.kill(first, signal.SIGKILL)
        async with asyncio.timeout(10):
            while process_of(store) == first:
                await asyncio.sleep(0.001)
        await asyncio.sleep(delay)
        os.kill(process_of(store), signal.SIGKILL)
        async with asyncio.timeout(10):
            await store.create(key=f"/after/{delay}", value=b"")
        _forgive(store)
    assert await store.current_revision() == 2004
    await store.close()


def _forgive(store: EmbeddedStore) -> None:
    """So many deaths would otherwise be too many."""
    log = store._log
    assert isinstance(log, StoreProcess)
    log._deaths.clear()


async def test_one_that_dies_again_and_again_is_given_up(tmp_path: Path) -> None:
    store = await sqlite.open_store(path=tmp_path / "store.db")

    async def kill_until_failed() -> None:
        for number in range(20):
            pid = process_of(store)
            os.kill(pid, signal.SIGKILL)
            await store.create(key=f"/{number}", value=b"")

    with pytest.raises(StoreFailed, match="ends again and again"):
        await kill_until_failed()
    with pytest.raises(StoreFailed):
        await store.create(key="/b", value=b"")
    await store.close()


async def test_a_closed_store_leaves_no_process(tmp_path: Path) -> None:
    store = await sqlite.open_store(path=tmp_path / "store.db")
    pid = process_of(store)
    await store.close()
    await store.close()
    await_end(pid)


def test_on_the_loop_that_servers_use(tmp_path: Path) -> None:
    async def live() -> None:
        store = await sqlite.open_store(path=tmp_path / "store.db", recent_bytes=0)
        async with store.watch(prefix="/") as watch:
            made = await asyncio.gather(*(store.create(key=f"/{n:04}", value=bytes(9000)) for n in range(600)))
            os.kill(process_of(store), signal.SIGKILL)
            last = await store.create(key="/last", value=b"")
            seen: list[KeyValue] = []
            while len(seen) <= len(made):
                seen += [event.kv for event in await anext(watch)]
        assert seen == [*made, last]
        assert (await store.range(prefix="/")).items == seen
        await store.snapshot(path=tmp_path / "snapshot")
        await store.close()

    uvloop.run(live())
