"""The store as a whole: several processes at it, and what it takes."""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sampan.runtime.images.save import save
from sampan.runtime.images.store import LocalImageStore
from tests.unit.runtime.images.archives import entry, layout, tar

from .looking import leftovers, one

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]


async def test_stores_of_several_processes_agree(store: LocalImageStore, tmp_path: Path) -> None:
    """Loads and removals at once: names never get lost, blobs never go missing."""
    names = [f"p/{i}" for i in range(6)]
    for name in names:
        layout(
            tmp_path / name.replace("/", "-"),
            tar(entry("shared")),
            tar(entry(name, name.encode())),
            ref=f"docker.io/{name}:1",
        )
    program = (
        "import sys; from sampan.cluster.image_commands import image_group\n"
        "image_group(['load', '--root', sys.argv[1], sys.argv[2]])"
    )
    loads = []
    for name in names:
        args = (str(store.root), str(tmp_path / name.replace("/", "-")))
        loads.append(
            await asyncio.create_subprocess_exec(sys.executable, "-c", program, *args, stdout=subprocess.DEVNULL)
        )
    for _ in range(30):
        store.collector.sweep()
        await asyncio.sleep(0.02)
    assert [await process.wait() for process in loads] == [0] * 6
    images = await store.list_images()
    assert sorted(tag for image in images for tag in image.repo_tags) == [f"docker.io/{name}:1" for name in names]
    for image in images:
        rootfs = await store.prepare_rootfs(image.id, image.id[7:19])
        assert Path(rootfs.lower[1], "shared").exists()
        await save(store, [image.id], io.BytesIO())
    assert leftovers(store) == []


async def test_what_the_images_take(store: LocalImageStore, tmp_path: Path) -> None:
    before = await store.fs_info()
    await one(store, tmp_path, "t/a", b"x" * 10_000)
    after = await store.fs_info()
    assert (before.used_bytes, before.used_inodes) == (0, 0)
    assert after.used_bytes > 10_000
    assert after.used_inodes == 1
