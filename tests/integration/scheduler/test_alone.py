"""Schedulers in processes of their own, by a kubeconfig: one leads, and when it is killed another goes on. No Pod is
bound twice, none is forgotten, wherever the SIGKILL strikes."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sampan.api.types import coordination_v1, core_v1, events_v1
from sampan.apiserver import devcerts
from sampan.apiserver.server import Server, ServerConfig
from sampan.simulator import NodeShape, add_nodes
from tests.integration.controllers.objects import make_pod, pod
from tests.integration.controllers.world import World, world

CONFIGURATION = """apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
leaderElection: {leaderElect: true, leaseDuration: 6s, renewDeadline: 5s, retryPeriod: 300ms}
podMaxBackoffSeconds: 2
"""
NODES, PODS = 4, 60


class Schedulers:
    def __init__(self, folder: Path, kubeconfig: Path) -> None:
        self._file = folder / "scheduler.yaml"
        self._file.write_text(CONFIGURATION)
        self._kubeconfig = kubeconfig
        self._home = folder / "home"
        self.running: list[asyncio.subprocess.Process] = []

    async def start(self) -> None:
        words = ["server", "--components", "scheduler", "--kubeconfig", str(self._kubeconfig)]
        self.running.append(
            await asyncio.create_subprocess_exec(
                sys.executable, "-m", "sampan", *words, "--scheduler-config", str(self._file),
                env={**os.environ, "SAMPAN_HOME": str(self._home)}, stderr=asyncio.subprocess.DEVNULL,
            )
        )  # fmt: skip

    async def kill(self, process: asyncio.subprocess.Process) -> None:
        process.send_signal(signal.SIGKILL)
        await process.wait()
        self.running.remove(process)


@asynccontextmanager
async def schedulers(cluster: World, folder: Path) -> AsyncIterator[Schedulers]:
    devcerts.make(folder)
    config = ServerConfig(
        port=0, certificate=folder / "server.crt", key=folder / "server.key", client_ca=folder / "ca.crt"
    )
    server = Server(cluster.chain, config)
    await server.start()
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(devcerts.kubeconfig(folder, f"https://127.0.0.1:{server.port}"))
    made = Schedulers(folder, kubeconfig)
    try:
        yield made
    finally:
        for process in list(made.running):
            await made.kill(process)
        await server.stop()


async def leader(cluster: World) -> str:
    found = await cluster.admin.resource(coordination_v1.Lease).get("kube-scheduler", namespace="kube-system")
    return found.spec.holderIdentity or ""


async def scheduled(cluster: World) -> Counter[str]:
    """How often each Pod was said to have been assigned."""
    listed = await cluster.admin.resource(events_v1.Event).list(namespace="default")
    return Counter(e.regarding.name or "" for e in listed.items if e.reason == "Scheduled" and e.regarding is not None)


async def prepared(cluster: World) -> None:
    cluster.start("serviceaccount-controller")
    names = await add_nodes(cluster.admin, NODES, NodeShape(cpu="20", pods=30))
    for name in names:  # no controller takes the taint off that says that it is not ready yet
        await cluster.admin.resource(core_v1.Node).patch(name, {"spec": {"taints": None}})


async def make_some(cluster: World, first: int, count: int) -> None:
    asks = core_v1.ResourceRequirements(requests={"cpu": "1"})
    for at in range(first, first + count):
        containers = [core_v1.Container(name="a", image="busybox", resources=asks)]
        await make_pod(cluster, pod(f"p{at}", containers=containers))


async def all_placed(cluster: World, count: int) -> bool:
    pods = (await cluster.admin.resource(core_v1.Pod).list(namespace="default")).items
    return len(pods) == count and all(p.spec.nodeName for p in pods)


async def fits(cluster: World) -> None:
    pods = (await cluster.admin.resource(core_v1.Pod).list(namespace="default")).items
    on = Counter(p.spec.nodeName for p in pods)
    assert max(on.values()) <= 20, "no node is over-committed"
    assert all(count == 1 for count in (await scheduled(cluster)).values()), "no Pod was assigned twice"


async def test_of_two_one_leads_and_the_other_goes_on_when_it_is_killed(tmp_path: Path) -> None:
    async with world(tmp_path) as cluster, schedulers(cluster, tmp_path) as running:
        await prepared(cluster)
        await running.start()
        first = await cluster.until(lambda: leader(cluster), timeout=30)
        await running.start()
        await make_some(cluster, 0, 10)
        await cluster.until(lambda: all_placed(cluster, 10), timeout=20)
        assert await leader(cluster) == first
        await running.kill(running.running[0])
        await make_some(cluster, 10, 10)
        await cluster.until(lambda: all_placed(cluster, 20), timeout=45)
        assert await leader(cluster) != first
        await fits(cluster)


async def test_killed_again_and_again_in_the_middle(tmp_path: Path) -> None:
    rng = random.Random(5)
    async with world(tmp_path) as cluster, schedulers(cluster, tmp_path) as running:
        await prepared(cluster)
        making = asyncio.create_task(make_some(cluster, 0, PODS))
        for _ in range(3):
            await running.start()
            await asyncio.sleep(0.8 + rng.random())
            await running.kill(running.running[0])
        await making
        await running.start()
        await cluster.until(lambda: all_placed(cluster, PODS), timeout=60)
        await fits(cluster)
