"""The disk fills up: a clear error, nothing half-written, and the store goes on when there is room again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sampan.storage import sqlite
from sampan.storage.contract import KeyValue, Store, StoreFull

from .crashes import Witness, check, run_and_kill

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "sampan-test", str(disk)], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


async def test_full_then_free_again(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(3 * 2**20))
    path = small_disk / "store.db"
    store = await sqlite.open_store(path=path)
    made: list[KeyValue] = []
    with pytest.raises(StoreFull, match=r"no space left for .*store\.db: nothing was written"):
        await fill_up(store, made)
    assert len(made) > 100

    async with store.watch(prefix="/p/") as watch:
        for _ in range(3):
            with pytest.raises(StoreFull):
                await store.create(key=f"/p/{len(made):05}", value=bytes(300_000))
        assert await store.current_revision() == made[-1].revision
        assert (await store.range(prefix="/p/")).items == made
        with pytest.raises(StoreFull):
            await store.snapshot(path=small_disk / "snapshot")
        assert sorted(file.name for file in small_disk.iterdir() if "part" in file.name) == []

        ballast.unlink()
        made.append(await store.create(key=f"/p/{len(made):05}", value=bytes(300_000)))
        assert made[-1].revision == made[-2].revision + 1
        assert [event.kv for event in await anext(watch)] == [made[-1]]
    await store.close()

    store = await sqlite.open_store(path=path)
    assert (await store.range(prefix="/p/")).items == made
    await store.close()


async def test_a_log_that_fills_the_disk_starts_over(small_disk: Path) -> None:
    """There is room for what is kept, not for all that is written: the write-ahead log has to be used again in time."""
    (small_disk / "ballast").write_bytes(bytes(5 * 2**20))
    store = await sqlite.open_store(path=small_disk / "store.db")
    kv = await store.create(key="/a", value=b"")
    for number in range(3000):
        kv = await store.update(key="/a", value=random.randbytes(3000), expected_revision=kv.revision)
        if number % 50 == 0:
            await store.compact(revision=kv.revision)
    await store.close()


async def test_a_full_disk_can_still_be_read_after_a_restart(small_disk: Path) -> None:
    path = small_disk / "store.db"
    store = await sqlite.open_store(path=path)
    made = [await store.create(key=f"/p/{number:03}", value=random.randbytes(3000)) for number in range(100)]
    await store.close()
    with pytest.raises(OSError, match="No space"):
        (small_disk / "ballast").write_bytes(bytes(8 * 2**20))
    with contextlib.suppress(StoreFull):  # honest too: SQLite needs a page of its own to open
        store = await sqlite.open_store(path=path)
        assert (await store.range(prefix="/p/")).items == made
        await store.close()
    (small_disk / "ballast").unlink()
    store = await sqlite.open_store(path=path)
    assert (await store.range(prefix="/p/")).items == made
    await store.close()


async def test_killed_while_the_disk_is_full(small_disk: Path) -> None:
    """The disk is filled under a writing child, and the child is killed somewhere around that."""
    path = small_disk / "store.db"
    witness = Witness()
    for _ in range(8):
        ballast = small_disk / "ballast"
        filling = asyncio.create_task(_fill(ballast, beside=path))
        witness.hear(await asyncio.to_thread(run_and_kill, path, after=random.uniform(0.2, 0.5)))
        filling.cancel()
        ballast.unlink(missing_ok=True)
        await check(path, witness)
    print(f"{witness.writes} acknowledged writes, {witness.full} refused")
    assert witness.full > 0
    assert witness.writes > 100


async def fill_up(store: Store, made: list[KeyValue]) -> None:
    while True:
        made.append(await store.create(key=f"/p/{len(made):05}", value=random.randbytes(3000)))


async def _fill(ballast: Path, *, beside: Path) -> None:
    """Leave no room, and take what becomes free, once the store has been written to for a while."""
    log = beside.with_name(beside.name + "-wal")
    enough = random.randrange(100_000, 1_000_000)
    while not log.exists() or log.stat().st_size < enough:
        await asyncio.sleep(0.005)
    while True:
        with ballast.open("ab", buffering=0) as file:
            try:
                while file.write(bytes(65536)):
                    pass
            except OSError:
                await asyncio.sleep(0.02)
