"""`sampan token create` on one side, `sampan agent --server …` on the other: the node runs Pods and is trusted."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sampan.runtime.images.examples import build_example_images
from sampan.runtime.images.store import LocalImageStore
from tests.host.kubelet.cluster import BUSYBOX, Cluster, condition
from tests.ports import free_port

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]

SPEC = {"containers": [{"name": "c", "image": BUSYBOX, "command": ["sh", "-c", "echo hello; sleep 1000"]}]}


class Machine:
    """Another machine: it knows the join line and has a home of its own."""

    def __init__(self, home: Path, node: str) -> None:
        self.home, self.node = home, node
        self.env = {**os.environ, "SAMPAN_HOME": str(home)}
        self.data = home / "sampan" / "agents" / node
        self.kubelet_port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    async def images(self) -> None:
        store = LocalImageStore(self.data / "images", owner=self.node)
        await store.start()
        try:
            await build_example_images(store)
        finally:
            await store.close()

    def command(self, *words: str) -> list[str]:
        # An address that is not the API server's, as another machine's would be.
        own = ["--node", self.node, "--node-ip", "127.0.0.9", "--kubelet-port", str(self.kubelet_port)]
        return [sys.executable, "-m", "sampan", *words, *own]

    def start(self, *words: str) -> None:
        with (self.home / "agent.log").open("ab") as log:
            self.process = subprocess.Popen(self.command(*words), env=self.env, stdout=log, stderr=log)

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self.process is not None:
            process, self.process = self.process, None
            process.send_signal(number)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise

    def clear(self) -> None:
        try:
            self.stop()
        finally:
            self._down()

    def _down(self) -> None:
        subprocess.run([sys.executable, "-m", "sampan", "down", "--purge"], env=self.env, check=True)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(tmp_path / "home", f"j{os.getpid()}")
    try:  # what did not come up in time may run all the same
        made.sampan("up", "--name", made.name, "--nodes", "0", "--port", str(free_port()), "--no-kubeconfig")
        yield made
    finally:
        made.down()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    (tmp_path / "far").mkdir()
    made = Machine(tmp_path / "far", f"far-{os.getpid()}")
    try:
        yield made
    finally:
        made.clear()


def wait_node(cluster: Cluster, machine: Machine) -> None:
    until = time.monotonic() + 60
    while True:
        found = cluster.kubectl("get", "node", machine.node, "-o", "json", check=False)
        if found and condition(json.loads(found), "Ready") == "True":
            return
        assert time.monotonic() < until, (machine.home / "agent.log").read_text()[-3000:]
        time.sleep(0.2)


def test_a_machine_joins_and_runs_pods(cluster: Cluster, machine: Machine) -> None:
    line = cluster.sampan("token", "create", "--name", cluster.name).stdout.split()
    assert line[0] == "sampan"
    words = line[1:]

    wrong = [*words[:-1], "sha256:" + "0" * 64]
    refused = subprocess.run(machine.command(*wrong), env=machine.env, capture_output=True, text=True, timeout=60)
    assert refused.returncode == 1
    assert "another CA" in refused.stderr

    asyncio.run(machine.images())
    machine.start(*words)
    wait_node(cluster, machine)
    cluster.pod("first", SPEC)
    assert cluster.wait_ready("first")["spec"]["nodeName"] == machine.node
    assert cluster.kubectl("logs", "first") == "hello\n"  # over the serving certificate
    requests = cluster.get("/apis/certificates.k8s.io/v1/certificatesigningrequests")["items"]
    assert {r["spec"]["signerName"].partition("/")[2] for r in requests} == {
        "kube-apiserver-client-kubelet",
        "kubelet-serving",
    }
    assert all(r["status"].get("certificate") for r in requests)

    # The token goes; the node stays, restarts without it, and its Pod goes on.
    cluster.sampan("token", "delete", words[words.index("--token") + 1], "--name", cluster.name)
    begun = cluster.read_pod("first")["status"]["containerStatuses"][0]["containerID"]
    machine.stop(signal.SIGKILL)
    machine.start(*words[:3])
    cluster.pod("second", SPEC)
    cluster.wait_ready("second")
    assert cluster.read_pod("first")["status"]["containerStatuses"][0]["containerID"] == begun
