"""One cluster for all the examples; afterwards the host is as it was."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host.needs import PODS, need
from tests.host.rows.user import User


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[User]:
    need(*PODS)
    made = User(tmp_path_factory.mktemp("home"), f"ex{uuid.uuid4().hex[:5]}")
    try:
        made.up()
        yield made
    finally:
        made.down()
    assert not left_behind(made), "the cluster has left something on the host"


def left_behind(user: User) -> list[str]:
    """Mounts, interfaces, tables, processes and files of the cluster."""
    mounts = [line for line in Path("/proc/mounts").read_text().splitlines() if str(user.root) in line]
    links = [name for name in os.listdir("/sys/class/net") if user.name in name]
    tables = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout
    ours = [line for line in tables.splitlines() if user.name in line]
    files = [str(user.root)] if user.root.exists() else []
    return mounts + links + ours + processes_naming(str(user.root)) + files


def processes_naming(text: str) -> list[str]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it ended meanwhile
            continue
        if text in line:
            found.append(line)
    return found
