"""Images made of directories."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from sampan.runtime.errors import InvalidArgument
from sampan.runtime.images.build import build
from sampan.runtime.images.store import LocalImageStore
from sampan.runtime.records import ImageConfig

from .looking import leftovers, tree

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]


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
