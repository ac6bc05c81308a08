"""Which process a pid file speaks of."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sampan.cluster.process import Daemon, started_at


def test_one_that_lives(tmp_path: Path) -> None:
    daemon = Daemon("server", tmp_path, tmp_path)
    assert daemon.pid == 0
    daemon.pid_file.write_text(f"{os.getpid()} {started_at(os.getpid())}\n")
    assert daemon.pid == os.getpid()


@pytest.mark.parametrize("content", ["", "12", "x 12", "US 1", f"{2**22 + 1} 5"])
def test_what_speaks_of_nobody(tmp_path: Path, content: str) -> None:
    daemon = Daemon("server", tmp_path, tmp_path)
    daemon.pid_file.write_text(content.replace("US", str(os.getpid())))
    assert daemon.pid == 0
    assert not daemon.stop()
    assert not daemon.pid_file.exists()


def test_starting_leaves_nothing_half_written(tmp_path: Path) -> None:
    daemon = Daemon("server", tmp_path / "run", tmp_path / "logs")
    pid = daemon.start(["version", "--client"])
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["server.pid"]
    assert daemon.pid_file.read_text().split()[0] == str(pid)
    os.waitpid(pid, 0)
    assert daemon.pid == 0
