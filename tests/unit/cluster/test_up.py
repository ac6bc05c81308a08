"""Waiting for a cluster to come up: whoever has ended is named, and nobody waits for the dead."""

from pathlib import Path

import pytest

from sampan.cluster.process import Daemon
from sampan.cluster.up import UpFailed, wait_until


class Fake(Daemon):
    def __init__(self, name: str, folder: Path, pid: int) -> None:
        super().__init__(name, folder, folder)
        self._pid = pid
        self.log_file.write_text(f"last words of {name}\n")

    @property
    def pid(self) -> int:
        return self._pid


def test_what_is_so_is_not_waited_for(tmp_path: Path) -> None:
    wait_until(lambda: True, [Fake("server", tmp_path, 0)], "not ready", 0.0)


def test_a_node_is_not_waited_for_when_its_server_has_ended(tmp_path: Path) -> None:
    agent, server = Fake("agent", tmp_path, 1), Fake("server", tmp_path, 0)
    with pytest.raises(UpFailed, match="the process server has ended") as raised:
        wait_until(lambda: False, [agent, server], "node x is not Ready", 0.0)
    assert "last words of server" in str(raised.value)


def test_after_a_while_it_says_what_it_waited_for(tmp_path: Path) -> None:
    with pytest.raises(UpFailed, match="node x is not Ready after 60 s") as raised:
        wait_until(lambda: False, [Fake("agent", tmp_path, 1)], "node x is not Ready", -1000.0)
    assert "last words of agent" in str(raised.value)
