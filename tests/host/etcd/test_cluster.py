"""`sampan up --datastore etcd://…` runs a Pod, and goes on after its server was killed and etcd was restarted."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host.kubelet.cluster import BUSYBOX, Cluster
from tests.ports import free_port
from tests.unit.storage.etcd.member import Member

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(shutil.which("etcd") is None, reason="etcd is not installed"),
]

SPEC = {"containers": [{"name": "c", "image": BUSYBOX, "command": ["sleep", "1000"]}]}


class EtcdCluster(Cluster):
    datastore: list[str]

    def up(self) -> None:
        self.sampan("up", "--name", self.name, "--no-kubeconfig", *self.datastore)


@pytest.fixture
def member(tmp_path: Path) -> Iterator[Member]:
    made = Member.start(tmp_path)
    yield made
    made.end()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[EtcdCluster]:
    made = EtcdCluster(tmp_path / "home", f"e{os.getpid()}")
    made.datastore = []
    yield made
    made.down()


def keys(member: Member, prefix: str) -> list[str]:
    command = ["etcdctl", f"--endpoints=127.0.0.1:{member.port}", "get", prefix, "--prefix", "--keys-only"]
    env = {**os.environ, "ETCDCTL_API": "3"}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout.split()


def test_a_pod_runs_and_etcd_shows_it_where_kubernetes_would(cluster: EtcdCluster, member: Member) -> None:
    asyncio.run(cluster._images())
    cluster.datastore = ["--datastore", member.address, "--port", str(free_port())]
    cluster.up()
    cluster.pod("first", SPEC)
    begun = cluster.wait_ready("first")["status"]["containerStatuses"][0]["containerID"]
    assert keys(member, "/registry/pods/default/") == ["/registry/pods/default/first"]
    assert not (cluster.root / "server" / "state.db").exists()

    pid = int((cluster.root / "run" / "server.pid").read_text().split()[0])
    os.kill(pid, signal.SIGKILL)
    member.kill()
    member.restart()
    time.sleep(0.2)
    cluster.datastore = []  # it is remembered
    cluster.up()
    cluster.pod("second", SPEC)
    cluster.wait_ready("second")
    assert cluster.read_pod("first")["status"]["containerStatuses"][0]["containerID"] == begun
