"""`sampan image`, as its user sees it."""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from sampan.cluster.image_commands import image_group

from .looking import tree

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]


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
