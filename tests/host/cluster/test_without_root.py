"""An ordinary user without any privilege: a control plane, simulated nodes, a clear word about what needs root."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import sampan

pytestmark = pytest.mark.root  # to become somebody else
NOBODY = 54321
SOMEBODY = [
    "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs", "--bounding-set=-all",
    "--inh-caps=-all", "--",
]  # fmt: skip
PYTHONS = (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}", "/usr/bin/python3")


ELSEWHERE = Path(__file__).parent / "elsewhere"


class Ordinary:
    """Somebody with a home of their own, and nothing else."""

    before: tuple[str, ...] = ()

    def __init__(self, home: Path) -> None:
        self.home = home
        self.env = {"HOME": str(home), "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1", "LANG": "C.UTF-8"}
        self.env["PYTHONPATH"] = os.pathsep.join([str(Path(sampan.__file__).parents[1]), sysconfig.get_path("purelib")])
        self.python = next(filter(self.may_use, PYTHONS), "")

    def may_use(self, python: str) -> bool:
        """Root's own Python is often where nobody else may look; then the system's of the same version serves."""
        script = "import subprocess, sys, msgspec, sampan; sys.exit(subprocess.call([sys.executable, '-c', '']))"
        return Path(python).exists() and self.run_python(python, "-c", script).returncode == 0

    def run_python(self, python: str, *words: str) -> subprocess.CompletedProcess[str]:
        command = [*self.before, *SOMEBODY, python, *words]
        return subprocess.run(command, env=self.env, cwd=self.home, capture_output=True, text=True, check=False)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run_python(self.python, "-m", "sampan", *words)

    def type(self, *words: str) -> str:
        done = self.run(*words)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture
def ordinary() -> Iterator[Ordinary]:
    """Not below pytest's own directory, into which others may not look."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("needs root and setpriv, to become somebody without any privilege")
    home = Path(f"/tmp/sampan-ordinary-{os.getpid()}")
    home.mkdir(mode=0o755)
    os.chown(home, NOBODY, NOBODY)
    made = Ordinary(home)
    if not made.python:
        home.rmdir()
        pytest.skip("an ordinary user may not read this checkout or its Python")
    try:
        yield made
    finally:
        made.run("down", "--purge")
        shutil.rmtree(home)


def test_a_control_plane_and_nodes_that_run_nothing(ordinary: Ordinary) -> None:
    ordinary.type("up", "--nodes", "0")
    assert (ordinary.home / ".local/share/sampan/sampan/cluster.json").exists()
    ordinary.type("simulate", "nodes", "10")
    ordinary.type("create", "deployment", "web", "--image=nginx", "--replicas=20")
    ordinary.type("wait", "--for=condition=Available", "deployment/web", "--timeout=60s")
    pods = json.loads(ordinary.type("get", "pods", "-o", "json"))["items"]
    assert {pod["status"]["phase"] for pod in pods} == {"Running"}
    assert len({pod["spec"]["nodeName"] for pod in pods}) == 10
    assert "ready" in ordinary.type("status")

    ordinary.type("down")
    assert ordinary.type("config", "get-contexts", "-o", "name") == ""
    ordinary.type("up")  # the same again: no node is asked for that needs root
    end = time.monotonic() + 30
    while ordinary.type("get", "nodes", "--no-headers").count(" Ready") < 10:
        assert time.monotonic() < end, "the simulated nodes have not come back"
        time.sleep(0.2)
    assert len(json.loads(ordinary.type("get", "pods", "-o", "json"))["items"]) == 20


def test_what_needs_root_says_so(ordinary: Ordinary) -> None:
    done = ordinary.run("up")
    assert done.returncode == 1
    assert "a node needs root" in done.stderr
    assert "sampan up --nodes 0" in done.stderr
    assert not (ordinary.home / ".local").exists(), "nothing half-made is left"


def test_where_there_is_no_linux(ordinary: Ordinary) -> None:
    """As on macOS: neither Linux' own calls, nor /proc, nor its packages. The kernel is Linux all the same."""
    if shutil.which("unshare") is None:
        pytest.skip("needs unshare, to hide /proc")
    ordinary.env["PYTHONPATH"] = os.pathsep.join([str(ELSEWHERE), ordinary.env["PYTHONPATH"]])
    ordinary.before = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh")
    refused = ordinary.run("up")
    assert "Pods need Linux" in refused.stderr
    ordinary.type("up", "--nodes", "0")
    ordinary.type("simulate", "nodes", "3")
    ordinary.type("create", "deployment", "web", "--image=nginx", "--replicas=6")
    ordinary.type("wait", "--for=condition=Available", "deployment/web", "--timeout=60s")
    assert ordinary.type("get", "pods", "--no-headers").count("Running") == 6
    assert "nodes       3 sim-0001" in ordinary.type("status")
    ordinary.type("up")  # what runs is recognised without /proc
    ordinary.type("down", "--purge")
    assert not list(ordinary.home.glob(".local/share/sampan/*"))
