"""Roots of containers: overlays, and copies where there are none."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from sampan.runtime.errors import ImageInUse, InvalidArgument, NotFound
from sampan.runtime.images.archive import load
from sampan.runtime.images.merge import copy_layers
from sampan.runtime.images.store import LocalImageStore
from sampan.runtime.rootfs import mount_rootfs
from tests.unit.runtime.images.archives import directory, entry, hard_link, layout, symlink, tar

from .conftest import three_layers
from .looking import one

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]


async def test_a_root_is_prepared_once_and_survives_a_restart(store: LocalImageStore, tmp_path: Path) -> None:
    a = await one(store, tmp_path, "t/a")
    first = await store.prepare_rootfs(a, "c1")
    Path(first.upper, "own").write_text("x")
    again = LocalImageStore(store.root)
    await again.start()
    assert await again.prepare_rootfs(a, "c1") == first
    assert Path(first.upper, "own").exists()
    assert await again.list_rootfs() == ["c1"]
    await again.close()
    for bad in ("../x", "", "a/b", "."):
        with pytest.raises(InvalidArgument):
            await store.prepare_rootfs(a, bad)
    with pytest.raises(NotFound):
        await store.prepare_rootfs("nothing", "c2")


async def test_nodes_of_one_machine_share_images_and_not_roots(store: LocalImageStore, tmp_path: Path) -> None:
    a = await one(store, tmp_path, "t/a")
    other = LocalImageStore(store.root, owner="other-node")
    await other.start()
    mine, theirs = await store.prepare_rootfs(a, "mine"), await other.prepare_rootfs(a, "theirs")
    assert mine.lower == theirs.lower
    assert (await store.list_rootfs(), await other.list_rootfs()) == (["mine"], ["theirs"])
    await store.remove_rootfs("mine")
    with pytest.raises(ImageInUse, match="in use by container theirs"):
        await store.remove(a)
    await other.close()


async def test_without_overlayfs_roots_are_copies(tmp_path: Path) -> None:
    store = LocalImageStore(tmp_path / "images", overlay=False)
    await store.start()
    three_layers(tmp_path / "layout")
    (image,) = await load(store, tmp_path / "layout")
    rootfs = await store.prepare_rootfs(image.id, "c1")
    root = Path(rootfs.path)
    assert not rootfs.lower
    assert sorted(p.name for p in root.iterdir()) == ["big", "etc", "l", "tmp"]
    assert sorted(p.name for p in (root / "etc").iterdir()) == ["b"]
    assert (root / "etc/b").read_text() == "new"
    (root / "own").write_text("x")
    assert (await store.prepare_rootfs(image.id, "c1")).path == str(root)
    assert (root / "own").exists()
    await store.remove_rootfs("c1")
    assert await store.list_rootfs() == []
    await store.close()


@pytest.mark.parametrize("native", [True, False])
def test_a_copy_is_what_overlayfs_would_show(tmp_path: Path, native: bool) -> None:
    from tests.unit.runtime.images.test_unpack import apply

    layers = [
        tar(
            directory("a", mode=0o700, uid=3),
            entry("a/1"),
            entry("a/2"),
            directory("b"),
            entry("b/1"),
            symlink("l", "a"),
            entry("f"),
        ),
        tar(entry("a/.wh.1"), entry("b/.wh..wh..opq"), entry("b/2"), entry("h1", b"h"), hard_link("h2", "h1")),
        tar(
            directory("f"), entry("f/now-a-directory"), directory("l"), entry("l/x"), entry("a/2", b"new", mode=0o4711)
        ),
    ]
    paths: list[Path] = []
    copied: list[Path] = []
    for number, raw in enumerate(layers):
        apply(raw, tmp_path / str(number), *paths)
        paths.insert(0, tmp_path / str(number))
        apply(raw, tmp_path / f"{number}c", *copied, native=native)
        copied.insert(0, tmp_path / f"{number}c")
    copy_layers(copied, tmp_path / "copy")
    for name in ("up", "work", "merged"):
        (tmp_path / name).mkdir()
    options = f"lowerdir={':'.join(map(str, paths))},upperdir={tmp_path}/up,workdir={tmp_path}/work"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, tmp_path / "merged"], check=True)

    def look(root: Path) -> list[tuple[object, ...]]:
        found = []
        for path in sorted(root.rglob("*")):
            s = path.lstat()
            data = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
            nlink = s.st_nlink if stat.S_ISREG(s.st_mode) else 0
            found.append((str(path.relative_to(root)), s.st_mode, s.st_uid, nlink, data))
        return found

    try:
        assert look(tmp_path / "copy") == look(tmp_path / "merged")
    finally:
        subprocess.run(["umount", tmp_path / "merged"], check=True)


async def test_a_store_inside_of_a_container(tmp_path: Path) -> None:
    """Its disk is an overlay: no overlay goes on it, nor do overlayfs' marks."""
    for name in ("low", "up", "work", "disk"):
        (tmp_path / name).mkdir()
    options = f"lowerdir={tmp_path}/low,upperdir={tmp_path}/up,workdir={tmp_path}/work"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, tmp_path / "disk"], check=True)
    try:
        store = LocalImageStore(tmp_path / "disk/images")
        await store.start()
        three_layers(tmp_path / "layout")
        (image,) = await load(store, tmp_path / "layout")
        rootfs = await store.prepare_rootfs(image.id, "c1")
        assert not rootfs.lower
        assert sorted(p.name for p in (Path(rootfs.path) / "etc").iterdir()) == ["b"]
        await store.close()
        elsewhere = LocalImageStore(tmp_path / "disk/images", overlay=True)  # as if overlays worked one day
        assert not (await elsewhere.prepare_rootfs(image.id, "c2")).lower
    finally:
        subprocess.run(["umount", tmp_path / "disk"], check=True)


@pytest.mark.parametrize("count", [60, 120])
async def test_as_many_layers_as_one_mount_can_name_and_more(
    store: LocalImageStore, tmp_path: Path, count: int
) -> None:
    layout(tmp_path / "deep", *(tar(entry(f"f{i}")) for i in range(count)))
    (image,) = await load(store, tmp_path / "deep")
    rootfs = await store.prepare_rootfs(image.id, "c")
    assert bool(rootfs.lower) == (count == 60)
    root = mount_rootfs(rootfs, str(tmp_path / "merged"))
    try:
        assert len(list(Path(root).iterdir())) == count
    finally:
        if rootfs.lower:
            subprocess.run(["umount", root], check=True)


async def test_a_layer_that_was_not_yet_on_disk_when_the_power_went(store: LocalImageStore, tmp_path: Path) -> None:
    a = await one(store, tmp_path, "t/a")
    chain = store.index.read().images[a].chain[0]
    assert (store.snapshots.record(chain) or pytest.fail("no layer")).boot == ""  # settled
    store.snapshots.take_away(chain)
    path = store.snapshots.begin(chain)
    (path / "f").write_text("")
    store.snapshots.commit(chain, "sha256:x", 0, 1)
    assert store.snapshots.record(chain) is not None
    store.snapshots._boot = "another boot"
    assert store.snapshots.record(chain) is None
