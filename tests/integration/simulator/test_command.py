"""`sampan simulate` as a user without root meets it: beside `up` and `down`, and nothing of it stays."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

NAME = "sim-test"


class User:
    def __init__(self, home: Path) -> None:
        self._env = {**os.environ, "SAMPAN_HOME": str(home), "KUBECONFIG": str(home / NAME / "kubeconfig")}

    def __call__(self, *words: str, fails: bool = False) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "sampan", *words], env=self._env, capture_output=True, text=True, timeout=120
        )
        assert bool(done.returncode) is fails, done.stdout + done.stderr
        return done.stdout + done.stderr

    def until(self, words: str, holds: Callable[[str], bool]) -> str:
        end = time.monotonic() + 60
        while not holds(said := self(*words.split())):
            assert time.monotonic() < end, said
            time.sleep(0.1)
        return said


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    made = User(tmp_path)
    try:
        yield made
    finally:
        made("down", "--name", NAME, "--purge")


def test_nodes_come_take_pods_survive_a_restart_and_go(user: User, tmp_path: Path) -> None:
    pid_file = tmp_path / NAME / "run" / "simulator.pid"
    user("up", "--name", NAME, "--nodes", "0", "--no-kubeconfig", "--quiet")
    said = user("simulate", "nodes", "3", "--name", NAME, "--cpu", "2", "--zones", "a,b", "--labels", "pool=x")
    assert said == "3 node(s) added: sim-0001 to sim-0003\n"
    assert user("get", "nodes", "-l", "pool=x", "-L", "topology.kubernetes.io/zone", "--no-headers").split()[-1] == "a"
    user("create", "deployment", "web", "--image=nginx", "--replicas=5")
    user.until("get deploy web --no-headers", lambda text: "5/5" in text)
    user("down", "--name", NAME)
    assert not pid_file.exists()
    user("up", "--name", NAME, "--no-kubeconfig", "--quiet")
    user("scale", "deployment", "web", "--replicas=7")
    user.until("get deploy web --no-headers", lambda text: "7/7" in text)
    assert "not simulated nodes: nobody" in user("simulate", "rm", "nobody", "--name", NAME, fails=True)
    assert user("simulate", "rm", "sim-0002", "--name", NAME) == "1 node(s) removed\n"
    user.until("get deploy web --no-headers", lambda text: "7/7" in text)
    assert pid_file.exists()
    assert user("simulate", "rm", "--name", NAME) == "2 node(s) removed\n"
    assert not pid_file.exists()
    assert "No resources found" in user("get", "nodes")
