"""A real etcd on free loopback ports, in a folder of its own; ended by its pid."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from tests.ports import free_ports


@dataclass(slots=True)
class Member:
    process: subprocess.Popen[bytes]
    port: int
    folder: Path
    command: list[str]

    @classmethod
    def start(cls, folder: Path, *, tls: list[str] | None = None) -> Member:
        port, peer = free_ports(2)
        scheme = "https" if tls else "http"
        url, peer_url = f"{scheme}://127.0.0.1:{port}", f"http://127.0.0.1:{peer}"
        command = [
            "etcd",
            f"--data-dir={folder / 'etcd'}",
            f"--listen-client-urls={url}",
            f"--advertise-client-urls={url}",
            f"--listen-peer-urls={peer_url}",
            f"--initial-advertise-peer-urls={peer_url}",
            f"--initial-cluster=default={peer_url}",
            "--heartbeat-interval=10",  # a lone member elects itself sooner, and leases may be short
            "--election-timeout=60",
            "--logger=zap",
            "--log-level=error",
            *(tls or []),
        ]
        member = cls(launch(command, folder), port, folder, command)
        try:
            if tls is None:
                member.wait_healthy()
        except BaseException:
            member.end()
            raise
        return member

    @property
    def address(self) -> str:
        return f"etcd://127.0.0.1:{self.port}"

    def wait_healthy(self) -> None:
        end = time.monotonic() + 30
        while time.monotonic() < end:
            assert self.process.poll() is None, (self.folder / "etcd.log").read_text()[-2000:]
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=2) as answer:
                    if json.load(answer)["health"] == "true":
                        return
            except OSError:
                pass
            time.sleep(0.02)
        raise AssertionError("etcd does not become healthy")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        self.process = launch(self.command, self.folder)
        self.wait_healthy()

    def end(self) -> None:
        self.kill()


def launch(command: list[str], folder: Path) -> subprocess.Popen[bytes]:
    with (folder / "etcd.log").open("ab") as log:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
