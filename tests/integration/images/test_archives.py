"""Archives and layouts: loaded, saved, and refused."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from sampan.runtime.errors import ImageFault
from sampan.runtime.images.archive import load
from sampan.runtime.images.save import save
from sampan.runtime.images.store import LocalImageStore
from tests.unit.runtime.images.archives import directory, entry, layout, symlink, tar

from .conftest import CONFIG, three_layers
from .looking import files, leftovers, needs_skopeo, skopeo

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]


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
