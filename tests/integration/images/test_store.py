"""Archives, building, names, use and removal: the store as its users see it, and the commands over it."""

from __future__ import annotations

import asyncio
import io
import json
import os
import shutil
import stat
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from sampan.cluster.image_commands import image_group
from sampan.runtime.errors import ImageFault, ImageInUse, InvalidArgument, NotFound
from sampan.runtime.images.archive import load
from sampan.runtime.images.build import build
from sampan.runtime.images.gc import Thresholds
from sampan.runtime.images.merge import copy_layers
from sampan.runtime.images.save import save
from sampan.runtime.images.store import LocalImageStore
from sampan.runtime.records import ImageConfig
from sampan.runtime.rootfs import mount_rootfs
from tests.unit.runtime.images.archives import directory, entry, hard_link, layout, symlink, tar

from .conftest import CONFIG, three_layers
from .test_pull import leftovers

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]

needs_skopeo = pytest.mark.skipif(not shutil.which("skopeo"), reason="skopeo is not installed")


def skopeo(source: str, target: str) -> None:
    subprocess.run(["skopeo", "copy", "-q", "--insecure-policy", source, target], check=True, timeout=60)


def files(store: LocalImageStore) -> list[str]:
    return sorted(
        str(p.relative_to(store.root))
        for part in ("content", "s", "ingest")
        for p in (store.root / part).rglob("*")
        if p.is_file()
    )


# --- archives -------------------------------------------------------------------------------------------------------


@needs_skopeo
@pytest.mark.parametrize("form", ["oci", "oci-archive", "docker-archive", "docker-archive.gz", "docker-archive.zst"])
async def test_every_kind_of_archive_gives_the_same_image(store: LocalImageStore, tmp_path: Path, form: str) -> None:
    three_layers(tmp_path / "layout")
    kind, _, packing = form.partition(".")
    target = tmp_path / ("out" if form == "oci" else "out.tar")
    if form == "oci":
        shutil.copytree(tmp_path / "layout", target)
    else:
        skopeo(f"oci:{tmp_path / 'layout'}", f"{kind}:{target}:docker.io/team/app:1")
    if packing:
        subprocess.run([{"gz": "gzip", "zst": "zstd"}[packing], "-q", "--keep", "-1", target], check=True)
        target = target.with_name(f"{target.name}.{packing}")
    (image,) = await load(store, target)
    wanted = json.loads((tmp_path / "layout/index.json").read_text())["manifests"][0]["digest"]
    manifest = json.loads((tmp_path / "layout/blobs/sha256" / wanted[7:]).read_text())
    assert image.id == manifest["config"]["digest"]
    assert image.config.entrypoint == CONFIG["Entrypoint"]
    assert image.repo_tags == ([] if form == "oci" else ["docker.io/team/app:1"])
    rootfs = await store.prepare_rootfs(image.id, "c")
    assert (Path(rootfs.lower[0]) / "tmp/x").read_text() == "x"
    assert leftovers(store) == []


async def test_what_was_saved_can_be_loaded(store: LocalImageStore, tmp_path: Path) -> None:
    layout(tmp_path / "a", tar(entry("a")), ref="docker.io/team/a:1")
    layout(tmp_path / "b", tar(entry("b")), ref="docker.io/team/b:1")
    (a,), (b,) = await load(store, tmp_path / "a"), await load(store, tmp_path / "b")
    await store.tag("team/a:1", "team/a:2")
    out = io.BytesIO()
    await save(store, ["team/a:1", "team/a:2", b.id], out)
    other = LocalImageStore(tmp_path / "other")
    await other.start()
    images = await load(other, io.BytesIO(out.getvalue()))
    assert {image.id: image.repo_tags for image in images} == {
        a.id: ["docker.io/team/a:1", "docker.io/team/a:2"],
        b.id: ["docker.io/team/b:1"],
    }
    again = io.BytesIO()
    await save(other, ["team/a:1", "team/a:2", b.id], again)
    assert again.getvalue() == out.getvalue()
    await other.close()


@needs_skopeo
async def test_others_read_what_was_saved(store: LocalImageStore, tmp_path: Path) -> None:
    layout(tmp_path / "a", tar(entry("a")), ref="docker.io/team/a:1")
    (image,) = await load(store, tmp_path / "a")
    with (tmp_path / "saved.tar").open("wb") as f:
        await save(store, ["team/a:1"], f)
    for kind in ("docker-archive", "oci-archive"):
        skopeo(f"{kind}:{tmp_path / 'saved.tar'}", f"oci:{tmp_path / kind}:x")
        manifest = json.loads((tmp_path / kind / "index.json").read_text())["manifests"][0]["digest"]
        config = json.loads((tmp_path / kind / "blobs/sha256" / manifest[7:]).read_text())["config"]["digest"]
        if kind == "oci-archive":
            assert config == image.id


async def test_an_old_docker_archive_with_links_between_layers(store: LocalImageStore, tmp_path: Path) -> None:
    layer = tar(entry("same", b"1"))
    from tests.unit.runtime.images.archives import digest

    config = json.dumps(
        {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [digest(layer)] * 2}}
    )
    manifest = [{"Config": "c.json", "RepoTags": ["old:1"], "Layers": ["a/layer.tar", "b/layer.tar"]}]
    raw = tar(
        entry("c.json", config.encode()),
        directory("a"), entry("a/layer.tar", layer),
        directory("b"), symlink("b/layer.tar", "../a/layer.tar"),
        entry("repositories", b"{}"), entry("manifest.json", json.dumps(manifest).encode()),
    )  # fmt: skip
    (image,) = await load(store, io.BytesIO(raw))
    assert image.repo_tags == ["docker.io/library/old:1"]
    assert len((await store.prepare_rootfs(image.id, "c")).lower) == 2


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: b"", "unrecognized image format"),
        (lambda: b"no archive at all" * 100, "failed to read the archive: archive/tar: invalid tar header"),
        (lambda: tar(entry("etc/passwd")), "unrecognized image format"),
        (lambda: tar(entry("index.json", b"{")), "failed to decode index"),
        (lambda: tar(entry("index.json", b'{"manifests":[]}')), "no image in it"),
        (
            lambda: tar(entry("manifest.json", b'[{"Config":"../../x","Layers":["/etc/passwd"]}]')),
            "the archive has no ",
        ),
        (lambda: tar(entry("manifest.json", b"{}")), "not a list"),
        (lambda: tar(entry("blobs/sha256/" + "0" * 64, b"x")), "unexpected commit digest"),
        (lambda: tar(entry("a", b"x" * 5000))[:3000], "unexpected EOF"),
    ],
)
async def test_bad_archives_are_refused_and_leave_nothing(store: LocalImageStore, make, why: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ImageFault, match=why):
        await load(store, io.BytesIO(make()))
    assert await store.list_images() == []
    store.collector.sweep()
    assert files(store) == []


async def test_an_archive_that_lacks_a_layer(store: LocalImageStore, tmp_path: Path) -> None:
    layout(tmp_path / "a", tar(entry("a", os.urandom(5000))))
    max((tmp_path / "a/blobs/sha256").iterdir(), key=lambda p: p.stat().st_size).unlink()
    with pytest.raises(ImageFault, match=r"content sha256:\w+: not found"):
        await load(store, tmp_path / "a")


# --- building -------------------------------------------------------------------------------------------------------


def tree(root: Path) -> Path:
    (root / "bin").mkdir(parents=True)
    (root / "bin/tool").write_bytes(b"x" * 1000)
    (root / "bin/tool").chmod(0o4755)
    (root / "bin/link").symlink_to("tool")
    (root / "bin/hard").hardlink_to(root / "bin/tool")
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o1777)
    os.setxattr(root / "bin/tool", "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))
    return root


async def test_a_directory_becomes_an_image(store: LocalImageStore, tmp_path: Path) -> None:
    config = ImageConfig(
        entrypoint=["/bin/tool"], cmd=["-x"], env=["A=1"], user="1", working_dir="/tmp", stop_signal="SIGINT",
        exposed_ports=["80", "53/udp"], labels={"a": "b"},
    )  # fmt: skip
    image = await build(store, "example/tool", tree(tmp_path / "tree"), config)
    assert image.repo_tags == ["docker.io/example/tool:latest"]
    assert image.config.exposed_ports == ["53/udp", "80/tcp"]
    assert image.config.env[0].startswith("PATH=")
    assert (image.config.entrypoint, image.config.cmd, image.config.user) == (["/bin/tool"], ["-x"], "1")
    assert (image.config.stop_signal, image.config.labels) == ("SIGINT", {"a": "b"})
    root = Path((await store.prepare_rootfs(image.id, "c")).lower[0])
    assert stat.S_IMODE((root / "bin/tool").stat().st_mode) == 0o4755
    assert (root / "bin/hard").stat().st_ino == (root / "bin/tool").stat().st_ino
    assert os.readlink(root / "bin/link") == "tool"
    assert stat.S_IMODE((root / "tmp").stat().st_mode) == 0o1777
    assert os.getxattr(root / "bin/tool", "security.capability").hex() == "0100000200040000000000000000000000000000"


async def test_the_same_directory_gives_the_same_image(store: LocalImageStore, tmp_path: Path) -> None:
    first = await build(store, "a", tree(tmp_path / "one"), ImageConfig(cmd=["x"]))
    os.utime(tree(tmp_path / "two") / "bin/tool", (5, 5))
    second = await build(store, "b", tmp_path / "two", ImageConfig(cmd=["x"]))
    assert first.id == second.id
    assert second.repo_digests[0].partition("@")[2] == first.repo_digests[0].partition("@")[2]


async def test_what_cannot_be_built(store: LocalImageStore, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="not a directory"):
        await build(store, "a", tmp_path / "none", ImageConfig())
    (tmp_path / "d").mkdir()
    with pytest.raises(InvalidArgument, match="invalid port"):
        await build(store, "a", tmp_path / "d", ImageConfig(exposed_ports=["http"]))
    os.mkfifo(tmp_path / "d/pipe")
    with pytest.raises(InvalidArgument, match="only files, directories and links"):
        await build(store, "a", tmp_path / "d", ImageConfig())
    assert leftovers(store) == []


# --- names, use, removal --------------------------------------------------------------------------------------------


async def one(store: LocalImageStore, tmp_path: Path, name: str, data: bytes = b"1") -> str:
    folder = tmp_path / name.replace("/", "-")
    layout(folder, tar(entry("f", data)), ref=f"docker.io/{name}:1")
    return (await load(store, folder))[0].id


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


# --- the commands ---------------------------------------------------------------------------------------------------


def sampan(root: Path, *args: str, stdin: bytes | None = None) -> tuple[int, str]:
    result = CliRunner().invoke(image_group, [*args, "--root", str(root)], input=stdin)
    return result.exit_code, result.output


def test_the_commands(tmp_path: Path) -> None:
    root = tmp_path / "images"
    tree(tmp_path / "tree")
    assert sampan(root, "ls") == (0, "IMAGE   TAG   IMAGE ID   SIZE\n")
    assert not root.exists()
    code, out = sampan(
        root,
        "build",
        "example/tool:1",
        str(tmp_path / "tree"),
        "--entrypoint",
        '["/bin/tool", "-v"]',
        "--cmd",
        "a 'b c'",
    )
    assert (code, out.split("(")[0]) == (0, "Built docker.io/example/tool:1 ")
    assert sampan(root, "tag", "example/tool:1", "sampan.local/t:2") == (0, "")
    code, out = sampan(root, "ls")
    lines = [line.split() for line in out.splitlines()]
    assert lines[0] == ["IMAGE", "TAG", "IMAGE", "ID", "SIZE"]
    assert [line[:2] for line in lines[1:]] == [["docker.io/example/tool", "1"], ["sampan.local/t", "2"]]
    assert len(lines[1][2]) == 13
    code, quiet = sampan(root, "ls", "-q")
    assert quiet.startswith("sha256:")
    assert len(quiet.split()) == 1
    code, out = sampan(root, "ls", "-o", "json")
    (image,) = json.loads(out)["images"]
    assert (image["config"]["entrypoint"], image["config"]["cmd"]) == (["/bin/tool", "-v"], ["a", "b c"])
    assert sampan(root, "save", "-o", str(tmp_path / "a.tar"), "example/tool:1", "sampan.local/t:2") == (0, "")
    with tarfile.open(tmp_path / "a.tar") as saved:
        assert "manifest.json" in saved.getnames()
    assert sampan(root, "rm", "example/tool:1") == (0, "Untagged: example/tool:1\n")
    assert sampan(root, "rm", "sampan.local/t:2") == (0, f"Deleted: {quiet}")
    assert sampan(root, "rm", "nothing") == (1, 'Error: image "nothing": not found\n')
    loaded = "Loaded image: docker.io/example/tool:1\nLoaded image: sampan.local/t:2\n"
    assert sampan(root, "load", "-i", str(tmp_path / "a.tar")) == (0, loaded)
    assert sampan(root, "load", stdin=(tmp_path / "a.tar").read_bytes()) == (0, loaded)
    code, out = sampan(root, "prune", "-a")
    assert out.splitlines()[0] == f"Deleted: {quiet.strip()}"
    assert sampan(root, "ls") == (0, "IMAGE   TAG   IMAGE ID   SIZE\n")


def test_the_commands_say_what_is_wrong(tmp_path: Path) -> None:
    root = tmp_path / "images"
    assert sampan(root, "pull", "Bad Image:") == (
        1,
        (
            'Error: couldn\'t parse image name "Bad Image:": invalid reference format: '
            "repository name (library/Bad Image) must be lowercase\n"
        ),
    )
    assert sampan(root, "load", "-i", str(tmp_path / "none.tar"))[0] == 1
    code, out = sampan(root, "pull", "127.0.0.1:9/none:1")
    assert code == 1
    assert "connect: connection refused" in out
    assert "Traceback" not in out
    assert sampan(root, "save", "-o", str(tmp_path / "x.tar"), "none")[0] == 1
    assert not (tmp_path / "x.tar").exists()


async def test_what_the_images_take(store: LocalImageStore, tmp_path: Path) -> None:
    before = await store.fs_info()
    await one(store, tmp_path, "t/a", b"x" * 10_000)
    after = await store.fs_info()
    assert (before.used_bytes, before.used_inodes) == (0, 0)
    assert after.used_bytes > 10_000
    assert after.used_inodes == 1
