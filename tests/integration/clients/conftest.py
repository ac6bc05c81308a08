"""A server in a process of its own, for the client libraries that people use. SAMPAN_PYTHON names the interpreter that
has Sampan, where the clients are installed in another one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[3]


class Served:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # It comes back at the same port, which no client that tries it meanwhile may have got for itself.
        self.port = free_port()
        self.process: subprocess.Popen[str] | None = None

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    def start(self) -> None:
        python = os.environ.get("SAMPAN_PYTHON", sys.executable)
        command = [python, "-m", "sampan.apiserver", "--data-dir", str(self.folder), "--port", str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.port = int(line.split("https://127.0.0.1:")[1].split(";")[0])

    def stop(self, how: int = signal.SIGTERM) -> None:
        assert self.process is not None
        self.process.send_signal(how)
        self.process.wait(10)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    server = Served(tmp_path)
    server.start()
    yield server
    if server.process is not None and server.process.poll() is None:
        server.stop()


def until(what: object, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not what():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.05)
