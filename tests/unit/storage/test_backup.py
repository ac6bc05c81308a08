"""Snapshots of a running store, and stores made from them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sampan.storage import memory, sqlite
from sampan.storage.contract import Compacted, StoreCorrupt, StoreError, StoreInUse
from sampan.storage.sqlite import REVISION_BUMP


async def test_a_snapshot_taken_under_load_is_one_moment(tmp_path: Path) -> None:
    store = await sqlite.open_store(path=tmp_path / "store.db")
    for number in range(300):
        await store.create(key=f"/before/{number:03}", value=b"x" * 1000)

    async def write(writer: int) -> None:
        for number in range(200):
            await store.create(key=f"/during/{writer}/{number:03}", value=b"x" * 1000)

    writing = [asyncio.ensure_future(write(writer)) for writer in range(4)]
    await asyncio.sleep(0)
    revision = await store.snapshot(path=tmp_path / "snapshot")
    await asyncio.gather(*writing)
    expected = await store.range(prefix="/", revision=revision)
    await store.close()

    sqlite.restore(snapshot=tmp_path / "snapshot", path=tmp_path / "new.db")
    restored = await sqlite.open_store(path=tmp_path / "new.db")
    assert (await restored.range(prefix="/")).items == expected.items
    await restored.close()


async def test_a_restored_store_starts_at_a_revision_nobody_has_seen(tmp_path: Path) -> None:
    store = await sqlite.open_store(path=tmp_path / "store.db")
    kept = await store.create(key="/kept", value=b"")
    await store.create(key="/gone", value=b"")
    gone = await store.delete(key="/gone")
    await store.snapshot(path=tmp_path / "snapshot")
    lost = await store.create(key="/lost", value=b"")
    await store.close()

    start = sqlite.restore(snapshot=tmp_path / "snapshot", path=tmp_path / "new.db")
    assert start == gone.revision + REVISION_BUMP
    restored = await sqlite.open_store(path=tmp_path / "new.db")
    assert await restored.current_revision() == start
    assert (await restored.range(prefix="/")).items == [kept]
    with pytest.raises(Compacted):  # whoever saw what was lost has to list again
        async with restored.watch(prefix="/", from_revision=lost.revision + 1):
            pass
    assert (await restored.create(key="/new", value=b"")).revision == start + 1
    await restored.close()
    await (await sqlite.open_store(path=tmp_path / "new.db")).close()


async def test_a_store_in_memory_can_be_kept(tmp_path: Path) -> None:
    store = await memory.open_store()
    kv = await store.create(key="/a", value=b"1")
    for number in range(5):
        kv = await store.update(key="/a", value=b"%d" % number, expected_revision=kv.revision)
    await store.compact(revision=4)
    await store.snapshot(path=tmp_path / "snapshot")
    await store.close()
    sqlite.restore(snapshot=tmp_path / "snapshot", path=tmp_path / "store.db")
    kept = await sqlite.open_store(path=tmp_path / "store.db")
    assert await kept.get(key="/a") == kv
    await kept.close()


async def test_nothing_is_overwritten(tmp_path: Path) -> None:
    store = await sqlite.open_store(path=tmp_path / "store.db")
    (tmp_path / "there").write_bytes(b"precious")
    with pytest.raises(StoreError, match="there exists and is not overwritten"):
        await store.snapshot(path=tmp_path / "there")
    assert (tmp_path / "there").read_bytes() == b"precious"
    await store.snapshot(path=tmp_path / "snapshot")
    with pytest.raises(StoreInUse):
        sqlite.restore(snapshot=tmp_path / "snapshot", path=tmp_path / "store.db")
    await store.close()
    with pytest.raises(StoreError, match="exists: move it away first"):
        sqlite.restore(snapshot=tmp_path / "snapshot", path=tmp_path / "store.db")


async def test_a_damaged_snapshot_is_refused(tmp_path: Path) -> None:
    store = await sqlite.open_store(path=tmp_path / "store.db")
    for number in range(50):
        await store.create(key=f"/{number}", value=b"needle" * 100)
    snapshot = tmp_path / "snapshot"
    await store.snapshot(path=snapshot)
    await store.close()
    content = snapshot.read_bytes()
    snapshot.write_bytes(content.replace(b"needle", b"needlf", 1))
    with pytest.raises(StoreCorrupt, match="checksum"):
        sqlite.restore(snapshot=snapshot, path=tmp_path / "new.db")
    snapshot.write_bytes(content[: len(content) // 2])
    with pytest.raises(StoreCorrupt):
        sqlite.restore(snapshot=snapshot, path=tmp_path / "new.db")
    assert not (tmp_path / "new.db").exists()
    assert sorted(file.name for file in tmp_path.glob("*.part")) == []
