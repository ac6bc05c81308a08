"""What the controllers reach: `python -m bench.controllers [ROW…]`. A real server process (SQLite, TLS, RBAC, full
admission) and simulated nodes in a process of their own. Needs no root.

    scale      a Deployment from 0 to 1,000 replicas, until the Deployment says that all are ready
    namespace  a namespace with 2,000 objects, from its deletion until it is gone
    steady     10,000 Pods of 100 Deployments at rest: CPU time of a controllers' process of its own
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from bench.processes import cpu_seconds, memory_mb
from bench.scheduling import GIVE_UP_SECONDS, Plane, make_namespace
from sampan.api.errors import NotFound
from sampan.api.types import apps_v1, core_v1, meta_v1
from sampan.client.api import Client
from sampan.client.kubeconfig import load_client
from sampan.simulator import NodeShape, add_nodes
from sampan.simulator.nodes import each

REPLICAS, OBJECTS = 1000, 2000
DEPLOYMENTS, EACH = 100, 100
SETTLE_SECONDS, WATCHED_SECONDS = 15, 60
# figure → what it may be at most
TARGETS = {
    "Deployment 0 to 1,000, all ready, s": 10.0,
    "namespace of 2,000 objects gone, s": 10.0,
    "controllers with 10,000 Pods at rest, % of a core": 1.0,
}


class World:
    """A server, and a process that plays the kubelets."""

    def __init__(self, plane: Plane, home: Path) -> None:
        self.plane = plane
        self._home = home
        self._log = (home / "others.log").open("ab")
        self._others: list[subprocess.Popen[bytes]] = []

    @property
    def client(self) -> Client:
        return load_client(str(self.plane.paths.kubeconfig))

    def beside(self, *words: str) -> subprocess.Popen[bytes]:
        """A component in a process of its own."""
        command = [sys.executable, "-m", "sampan", *words, "--kubeconfig", str(self.plane.paths.kubeconfig)]
        env = {**os.environ, "SAMPAN_HOME": str(self._home)}
        process = subprocess.Popen(command, stdout=self._log, stderr=self._log, env=env)
        self._others.append(process)
        return process

    def end(self) -> None:
        for process in self._others:
            process.terminate()
        for process in self._others:
            process.wait()
        self.plane.kill()


@asynccontextmanager
async def world(components: str, nodes: int) -> AsyncIterator[tuple[World, Client]]:
    with tempfile.TemporaryDirectory(
        prefix="sampan-bench-", dir=os.environ.get("SAMPAN_BENCH_DIR", "/var/tmp")
    ) as name:
        made = World(Plane(Path(name)), Path(name))
        try:
            client = await made.plane.start(components)
            await add_nodes(client, nodes, NodeShape(cpu="64", memory="256Gi"))
            made.beside("simulate", "run")
            yield made, client
            await client.close()
        finally:
            made.end()


async def until(condition: Callable[[], Awaitable[bool]], *, every: float = 0.05) -> None:
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while not await condition():
            await asyncio.sleep(every)


def deployment(name: str, replicas: int) -> apps_v1.Deployment:
    labels = {"app": name}
    container = core_v1.Container(name="main", image="registry.k8s.io/pause:3.10")
    template = core_v1.PodTemplateSpec(
        metadata=meta_v1.ObjectMeta(labels=labels), spec=core_v1.PodSpec(containers=[container])
    )
    selector = meta_v1.LabelSelector(matchLabels=labels)
    spec = apps_v1.DeploymentSpec(replicas=replicas, selector=selector, template=template)
    return apps_v1.Deployment(metadata=meta_v1.ObjectMeta(name=name, namespace="bench"), spec=spec)


async def ready(client: Client, name: str, replicas: int) -> bool:
    found = await client.resource(apps_v1.Deployment).get(name, namespace="bench")
    return found.status.readyReplicas == found.status.updatedReplicas == replicas


async def scale() -> dict[str, float]:
    async with world("apiserver,scheduler,controllers", 20) as (made, client):
        await make_namespace(client, "bench")
        deployments = client.resource(apps_v1.Deployment)
        await deployments.create(deployment("warm", 3))
        await until(lambda: ready(client, "warm", 3))
        await deployments.create(deployment("web", 0))
        await asyncio.sleep(1)
        cpu, began = made.plane.cpu(), time.perf_counter()
        await deployments.patch("web", {"spec": {"replicas": REPLICAS}}, namespace="bench")
        await until(lambda: ready(client, "web", REPLICAS))
        return {
            "Deployment 0 to 1,000, all ready, s": time.perf_counter() - began,
            "Deployment 0 to 1,000, CPU of the server, s": made.plane.cpu() - cpu,
        }


async def namespace() -> dict[str, float]:
    """Half of it ConfigMaps, a quarter Secrets, a quarter Pods that run."""
    async with world("apiserver,scheduler,controllers", 10) as (made, client):
        await make_namespace(client, "bench")
        maps, secrets = client.resource(core_v1.ConfigMap), client.resource(core_v1.Secret)

        async def make(at: int) -> None:
            meta = meta_v1.ObjectMeta(name=f"o-{at}", namespace="bench")
            if at % 3 == 2:
                await secrets.create(core_v1.Secret(metadata=meta))
            else:
                await maps.create(core_v1.ConfigMap(metadata=meta, data={"a": "b"}))

        pods = OBJECTS // 4
        await each(range(OBJECTS - pods), make, at_once=8)
        await client.resource(apps_v1.Deployment).create(deployment("web", pods))
        await until(lambda: ready(client, "web", pods))
        namespaces = client.resource(core_v1.Namespace)

        async def gone() -> bool:
            try:
                await namespaces.get("bench")
            except NotFound:
                return True
            return False

        cpu, began = made.plane.cpu(), time.perf_counter()
        await namespaces.delete("bench")
        await until(gone)
        return {
            "namespace of 2,000 objects gone, s": time.perf_counter() - began,
            "namespace of 2,000 objects gone, CPU of the server, s": made.plane.cpu() - cpu,
        }


async def steady() -> dict[str, float]:
    async with world("apiserver,scheduler", 100) as (made, client):
        controllers = made.beside("server", "--components", "controllers")
        await make_namespace(client, "bench")
        deployments = client.resource(apps_v1.Deployment)
        names = [f"web-{at}" for at in range(DEPLOYMENTS)]
        began = time.perf_counter()
        await each(names, lambda name: _make(deployments, name), at_once=4)
        for name in names:
            await until(lambda name=name: ready(client, name, EACH), every=0.5)  # type: ignore[misc]
        took = time.perf_counter() - began
        await asyncio.sleep(SETTLE_SECONDS)
        before = cpu_seconds([controllers.pid])
        await asyncio.sleep(WATCHED_SECONDS)
        used = cpu_seconds([controllers.pid]) - before
        return {
            "10,000 Pods of 100 Deployments made and ready, s": took,
            "controllers with 10,000 Pods at rest, % of a core": 100 * used / WATCHED_SECONDS,
            "controllers with 10,000 Pods, memory, MB": memory_mb([controllers.pid]),
        }


async def _make(deployments: object, name: str) -> None:
    await deployments.create(deployment(name, EACH))  # type: ignore[attr-defined]


ROWS: dict[str, Callable[[], Awaitable[dict[str, float]]]] = {"scale": scale, "namespace": namespace, "steady": steady}


def run(rows: list[str] | None = None) -> dict[str, float]:
    figures: dict[str, float] = {}
    for row in rows or list(ROWS):
        measured = ROWS[row]
        figures |= asyncio.run(measured())  # type: ignore[arg-type]
    return figures


if __name__ == "__main__":
    for figure, value in run(sys.argv[1:]).items():
        limit = TARGETS.get(figure)
        print(f"{figure:58}{value:10.2f}" + (f"   at most {limit:g}" if limit is not None else ""))
