"""Waiting for a cluster to come up: whoever has ended is named, and nobody waits for the dead."""

import re
import sys
from pathlib import Path

import pytest

from sampan.cluster import config as configs
from sampan.cluster import up as ups
from sampan.cluster.commands import run
from sampan.cluster.paths import ClusterPaths
from sampan.cluster.process import Daemon
from sampan.cluster.up import Steps, UpFailed, wait_until


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


def test_progress_is_plain_lines_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    with Steps().step("the API server"):
        pass
    with Steps(quiet=True).step("a node"):
        pass
    assert re.fullmatch(r" - the API server \(\d\.\d\d s\)\n", capsys.readouterr().err)


def test_progress_is_marked_on_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with Steps().step("the API server"):
        pass
    assert "✓" in capsys.readouterr().err


def test_a_configuration_that_cannot_be_understood_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SAMPAN_HOME", str(tmp_path))
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "cluster.json").write_text('{"name": "one", "port": ')
    assert run(["up", "--name", "one", "--nodes", "0"]) == 1
    said = capsys.readouterr().err
    assert "cluster.json cannot be understood" in said
    assert f"rm -r {tmp_path / 'one'}" in said


def test_the_number_of_nodes_is_decided_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SAMPAN_HOME", str(tmp_path))
    paths = ClusterPaths.of("one")
    configs.save(paths, configs.ClusterConfig(name="one", nodes=0))
    assert run(["up", "--name", "one", "--nodes", "3"]) == 1
    assert "sampan down --name one --purge" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["agent", "token create", "simulate nodes 3", "status"])
def test_without_a_cluster_commands_say_how_to_make_one(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SAMPAN_HOME", str(tmp_path))
    assert run([*command.split(), "--name", "never"]) == 1
    told = capsys.readouterr()
    assert "sampan up" in told.out + told.err
    assert "Traceback" not in told.err
    assert list(tmp_path.iterdir()) == []


class Taken:
    """The server finds its port taken, once."""

    def __init__(self) -> None:
        self.ports: list[int] = []

    def bring_up(self, paths: ClusterPaths, config: configs.ClusterConfig, steps: Steps) -> None:
        del steps
        self.ports.append(config.port)
        if len(self.ports) == 1:
            paths.logs.mkdir(parents=True)
            (paths.logs / "server.log").write_text("OSError: [Errno 98] Address already in use\n")
            raise UpFailed("the API server is not ready")


def test_a_port_that_was_taken_meanwhile_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMPAN_HOME", str(tmp_path))
    taken = Taken()
    monkeypatch.setattr(ups, "bring_up", taken.bring_up)
    made = ups.up(ClusterPaths.of("one"), nodes=0, port=None, write_kubeconfig=False, quiet=True)
    assert len(taken.ports) == 2
    assert taken.ports[0] != taken.ports[1] == made.port


def test_a_port_that_was_asked_for_is_not_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMPAN_HOME", str(tmp_path))
    taken = Taken()
    monkeypatch.setattr(ups, "bring_up", taken.bring_up)
    with pytest.raises(UpFailed, match="not ready"):
        ups.up(ClusterPaths.of("one"), nodes=0, port=configs.free_port(7000, set()), write_kubeconfig=False, quiet=True)
    assert len(taken.ports) == 1
