"""npm's @kubernetes/client-node: an informer sees what happens, and goes on over a server that is killed.

SAMPAN_NODE_MODULES names the folder whose node_modules has the package.
"""

from __future__ import annotations

import os
import queue
import shutil
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from .conftest import Served

FOLDER = os.environ.get("SAMPAN_NODE_MODULES", str(Path(__file__).resolve().parents[3]))


def test_an_informer(served: Served) -> None:
    if shutil.which("node") is None or not (Path(FOLDER) / "node_modules" / "@kubernetes" / "client-node").exists():
        pytest.skip("npm's @kubernetes/client-node is not installed")
    loads = subprocess.run(
        ["node", "-e", "require('@kubernetes/client-node')"], cwd=FOLDER, capture_output=True, check=False
    )
    if loads.returncode and b"ERR_REQUIRE_ESM" not in loads.stderr:
        pytest.skip("this node cannot load npm's @kubernetes/client-node")
    script = Path(__file__).with_name("informer.mjs")
    process = subprocess.Popen(
        ["node", str(script), FOLDER, str(served.kubeconfig)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line.strip())

    threading.Thread(target=read, daemon=True).start()

    def until(wanted: str) -> None:
        while lines.get(timeout=30) != wanted:
            pass

    try:
        until("add own 1")
        _kubectl(served, "patch", "cm", "own", "-p", '{"data":{"k":"2"}}')
        until("update own 2")
        served.stop(signal.SIGKILL)
        served.start()
        _kubectl(served, "create", "cm", "later", "--from-literal=k=3")
        until("add later 3")
        _kubectl(served, "delete", "cm", "own")
        until("delete own 2")
    finally:
        process.kill()
        process.wait(10)


def _kubectl(served: Served, *arguments: str) -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    environment = {**os.environ, "KUBECONFIG": str(served.kubeconfig)}
    subprocess.run(["kubectl", *arguments], env=environment, check=True, capture_output=True, timeout=60)
