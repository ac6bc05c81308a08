"""Processes that die in the middle of things, and many that do things at once: what the index names is always there."""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from pathlib import Path

import pytest

from sampan.runtime.errors import ImageInUse, NotFound
from sampan.runtime.images.archive import load
from sampan.runtime.images.content import BlobMissing
from sampan.runtime.images.store import LocalImageStore
from tests.unit.runtime.images.archives import entry, layout, tar

from .looking import leftovers

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]

_PROGRAM = """
import sys
from sampan.cluster.image_commands import image_group
root, *folders = sys.argv[1:]
for round in range(1000):
    for folder in folders:
        image_group(["load", "--root", root, folder], standalone_mode=False)
    image_group(["prune", "--all", "--root", root], standalone_mode=False)
"""


def layouts(tmp_path: Path) -> list[Path]:
    """Images that share their first layer."""
    base = tar(entry("base", os.urandom(200_000)))
    folders = []
    for number in range(3):
        folder = tmp_path / f"image{number}"
        layout(folder, base, tar(entry(f"own{number}", os.urandom(100_000))), ref=f"docker.io/t/i{number}:1")
        folders.append(folder)
    return folders


def whole(store: LocalImageStore) -> None:
    """Everything that the index and the containers name is there."""
    state = store.index.read()
    for image_id, record in state.images.items():
        for blob in (image_id, record.manifest.digest, *record.layers):
            assert store.content.has(blob), f"{blob} of {image_id} is missing"
        for chain in record.chain:
            assert store.snapshots.record(chain) is not None, f"layer {chain} of {image_id} is missing"
    assert set(state.names.values()) | set(state.digests.values()) <= set(state.images)
    for record in store.snapshots.rootfs_records().values():
        for chain in record.chain:
            assert store.snapshots.record(chain) is not None


async def test_killed_at_any_moment(tmp_path: Path) -> None:
    root = tmp_path / "images"
    folders = [str(folder) for folder in layouts(tmp_path)]
    chance = random.Random(7)
    for _ in range(12):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _PROGRAM, str(root), *folders, stdout=asyncio.subprocess.DEVNULL
        )
        await asyncio.sleep(0.4 + chance.random() * 0.6)
        assert process.returncode is None
        process.kill()
        await process.wait()
        store = LocalImageStore(root)
        await store.start()
        whole(store)
        await store.close()
    store = LocalImageStore(root, now=lambda: time.time() + 600)  # what died long ago is cleared away
    for folder in folders:
        await load(store, Path(folder))
    whole(store)
    async with asyncio.timeout(5):  # the last killed process' unpacking child may take a moment to end
        while leftovers(store):
            await asyncio.sleep(0.05)
            await store.start()
    await store.prune(everything=True)
    remaining = [path for part in ("content", "s", "ingest") for path in (root / part).rglob("*") if path.is_file()]
    assert remaining == []


async def test_everything_at_once(tmp_path: Path) -> None:
    """Two stores as of two processes: loads, removals, roots, sweeps."""
    folders = layouts(tmp_path)
    stores = [LocalImageStore(tmp_path / "images", owner=owner) for owner in ("one", "two")]
    for store in stores:
        await store.start()
    chance = random.Random(11)
    done = 0

    async def busy(store: LocalImageStore, number: int) -> None:
        nonlocal done
        for turn in range(12):
            which = chance.randrange(3)
            name = f"t/i{which}:1"
            try:
                match chance.randrange(4):
                    case 0 | 1:
                        await load(store, folders[which])
                    case 2:
                        container = f"c{number}-{turn}"
                        rootfs = await store.prepare_rootfs(name, container)
                        await asyncio.sleep(0)
                        assert all(Path(lower).is_dir() for lower in rootfs.lower)
                        assert (Path(rootfs.lower[0]) / f"own{which}").stat().st_size == 100_000
                        await store.remove_rootfs(container)
                    case _:
                        await store.remove(name)
                done += 1
            except (NotFound, ImageInUse):
                continue

    await asyncio.gather(*(busy(store, number) for number, store in enumerate(stores * 2)))
    assert done > 10
    for store in stores:
        whole(store)
        assert await store.list_rootfs() == []
        await store.close()
    assert leftovers(stores[0]) == []


async def test_an_image_that_lost_a_blob_is_fetched_anew(tmp_path: Path) -> None:
    """Somebody cleaned up by hand: loading mends it, saving says what is missing."""
    import io

    from sampan.runtime.images.save import save

    store = LocalImageStore(tmp_path / "images")
    await store.start()
    (folder, *_) = layouts(tmp_path)
    (image,) = await load(store, folder)
    layer = store.index.read().images[image.id].layers[0]
    store.content.path(layer).unlink()
    with pytest.raises((BlobMissing, FileNotFoundError)):
        await save(store, [image.id], io.BytesIO())
    await load(store, folder)
    await save(store, [image.id], io.BytesIO())
    await store.close()
