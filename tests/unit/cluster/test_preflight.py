"""What is wrong is said, with the command that mends it."""

import os
import re
import shutil
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from sampan.cluster import preflight
from sampan.cluster.config import ClusterConfig
from sampan.cluster.paths import ClusterPaths
from sampan.cluster.preflight import problems
from sampan.cluster.process import Daemon


def look(tmp_path: Path, *, nodes: int = 0, port: int = 0) -> list[tuple[str, str]]:
    paths = ClusterPaths("one", tmp_path / "home" / "one")
    config = ClusterConfig(name="one", nodes=nodes, port=port)
    found = problems(paths, config, Daemon("server", paths.run, paths.logs))
    assert all(p.fix for p in found)
    return [(p.what, p.fix) for p in found]


def test_a_control_plane_needs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    assert look(tmp_path) == []


def test_a_node_needs_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    [(what, fix)] = look(tmp_path, nodes=1)
    assert "needs root" in what
    assert "--nodes 0" in fix


def test_pods_need_linux(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    [(what, fix)] = look(tmp_path, nodes=1)
    assert "Linux" in what
    assert "--nodes 0" in fix


@pytest.mark.parametrize(
    ("there", "missing"),
    [
        ((), "conmon catatonit nftables crun"),
        (("crun", "nft"), "conmon catatonit"),
        (("runc", "nft", "conmon"), "catatonit"),
    ],
)
def test_missing_tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: tuple[str, ...], missing: str) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda tool, **_: f"/bin/{tool}" if tool in there else None)
    assert f"apt-get install {missing}" in [fix for _, fix in look(tmp_path, nodes=1)]


def test_the_machines_own_package_manager_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda tool, **_: "/bin/dnf" if tool == "dnf" else None)
    assert "dnf install conmon catatonit nftables crun" in [fix for _, fix in look(tmp_path, nodes=1)]


def test_no_cgroups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda tool, **_: f"/bin/{tool}")
    monkeypatch.setattr(Path, "is_dir", lambda path: str(path) != "/sys/fs/cgroup")
    assert ("no cgroups are mounted", "mount -t cgroup2 none /sys/fs/cgroup") in look(tmp_path, nodes=1)


def test_another_cluster_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "other_of_that_name", lambda _: Path("/other/home/one"))
    [(what, fix)] = [found for found in look(tmp_path, nodes=1) if "another cluster" in found[0]]
    assert "/other/home/one" in what
    assert "SAMPAN_HOME=/other/home sampan down --name one" in fix
    assert "sampan up --name NAME" in fix


def test_a_taken_port(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        [(what, fix)] = look(tmp_path, port=port)
    assert f"port {port} is taken" in what
    [free] = re.findall(r"sampan up --name one --port (\d+)", fix)
    assert int(free) != port


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        free = preflight.LEAST_DISK - 1

    def usage(_: Any) -> Usage:
        return Usage()

    monkeypatch.setattr(shutil, "disk_usage", usage)
    [(what, _)] = look(tmp_path)
    assert "MiB are free" in what


def test_a_place_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    [(what, fix)] = look(tmp_path)
    assert str(tmp_path) in what
    assert "SAMPAN_HOME" in fix
