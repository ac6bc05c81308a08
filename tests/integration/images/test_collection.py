"""Removing images: by name, by id, and when the disk fills."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path

import pytest

from sampan.runtime.errors import ImageInUse, NotFound
from sampan.runtime.images.gc import Thresholds
from sampan.runtime.images.store import LocalImageStore

from .looking import files, one

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]


async def test_removing_by_name_and_by_id(store: LocalImageStore, tmp_path: Path) -> None:
    a = await one(store, tmp_path, "t/a")
    await store.tag("t/a:1", "t/a:2")
    await store.remove("t/a:1")
    image = await store.status("t/a:2")
    assert image is not None
    await store.remove("t/a:2")
    assert await store.status(a) is None
    assert files(store) == []
    a = await one(store, tmp_path, "t/a")
    await store.tag(a, "t/other")
    await store.remove(a[7:19])
    assert await store.list_images() == []
    with pytest.raises(NotFound, match='image "t/a:1": not found'):
        await store.remove("t/a:1")


async def test_an_image_in_use_stays(store: LocalImageStore, tmp_path: Path) -> None:
    a = await one(store, tmp_path, "t/a")
    rootfs = await store.prepare_rootfs(a, "c1")
    for ref in (a, "t/a:1"):
        with pytest.raises(ImageInUse, match="is in use by container c1"):
            await store.remove(ref)
    assert (await store.prune(everything=True))[0] == []
    assert Path(rootfs.lower[0], "f").exists()
    assert await store.status("t/a:1") is not None
    await store.remove_rootfs("c1")
    await store.remove("t/a:1")
    assert files(store) == []


async def test_pruning_takes_what_has_no_name(store: LocalImageStore, tmp_path: Path) -> None:
    a = await one(store, tmp_path, "t/a", b"1")
    b = await one(store, tmp_path, "t/a", b"2")  # the name moves
    gone, freed = await store.prune()
    assert gone == [a]
    assert freed > 100
    assert [image.id for image in await store.list_images()] == [b]


async def test_a_full_disk_loses_its_longest_unused_images(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", disk], check=True)
    try:
        clock = [1000.0]
        store = LocalImageStore(disk / "images", now=lambda: clock[0], overlay=True)
        await store.start()
        ids = []
        for name in "abcd":
            ids.append(await one(store, tmp_path, f"t/{name}", os.urandom(2_000_000)))  # 4 MB each, unpacked and packed
            clock[0] += 10
        await store.prepare_rootfs(ids[0], "running")
        await store.prepare_rootfs(ids[1], "done")
        await store.remove_rootfs("done")
        gone, _ = await store.collector.collect(Thresholds(high=75, low=55, min_age=1000))
        assert gone == []  # too young
        gone, freed = await store.collector.collect(Thresholds(high=75, low=55, min_age=5))
        assert gone == [ids[2], ids[3]]  # a runs, b was used later than c and d
        assert freed > 7_000_000
        assert (await store.collector.collect(Thresholds(high=75, low=55, min_age=5)))[0] == []
        await store.close()
    finally:
        subprocess.run(["umount", disk], check=True)


async def test_the_disk_is_looked_at_now_and_then(tmp_path: Path) -> None:
    turns: asyncio.Queue[float] = asyncio.Queue()
    looked: list[float] = []

    async def pause(seconds: float) -> None:
        looked.append(seconds)
        await turns.get()

    store = LocalImageStore(
        tmp_path / "images", sleep=pause, collect_every=300, thresholds=Thresholds(high=0, low=0, min_age=0)
    )
    await store.start()
    a = await one(store, tmp_path, "t/a")
    b = await one(store, tmp_path, "t/b", b"2")
    await store.prepare_rootfs(b, "c")
    turns.put_nowait(0)
    while len(looked) < 2:
        await asyncio.sleep(0.01)
    assert [image.id for image in await store.list_images()] == [b]
    assert a != b
    assert looked == [300, 300]
    await store.close()


async def test_collection_leaves_a_running_pulls_things_alone(store: LocalImageStore) -> None:
    async with store.lease() as lease:
        digest = store.content.add(b"{}", lease.add)
        store.collector.sweep()
        assert store.content.has(digest)
    store.collector.sweep()
    assert not store.content.has(digest)
