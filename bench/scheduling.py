"""How fast Pods find their nodes: `python -m bench.scheduling [SHAPE…]`. A real server process (SQLite, TLS, RBAC, full
admission), simulated nodes, and Pods that ask for little, as in Kubernetes' own scheduler_perf.

For a row of waiting Pods they are made while no scheduler runs; then the server starts again with one. What counts is
the time between the first binding and the last, as a watch sees them. Needs no root.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from bench.table import BUDGETS, Budget, lines
from sampan.api.errors import ApiError
from sampan.api.types import core_v1
from sampan.client import calls
from sampan.client.api import Client
from sampan.client.calls import ListOptions, WriteOptions
from sampan.client.kubeconfig import load_client
from sampan.client.transport import TransportError
from sampan.cluster import config as configs
from sampan.cluster import kubeconfigs
from sampan.cluster.config import ClusterConfig
from sampan.cluster.paths import ClusterPaths
from sampan.cluster.pki import Pki
from sampan.simulator import NodeShape, add_nodes
from sampan.simulator.nodes import each

FEW, MANY = 100, 5000  # nodes
WAITING, SHAPED, CREATED = 5000, 1000, 3000  # Pods
CLIENTS = 8
GIVE_UP_SECONDS = 180.0
ZONES = ("a", "b", "c")
ZONE, HOSTNAME = "topology.kubernetes.io/zone", "kubernetes.io/hostname"
# What `table.BUDGETS` does not have: the figures that the design does not name.
TARGETS = {
    "5,000 nodes: of a Deployment, /s": 400.0,
    "5,000 nodes: spread over zones, /s": 85.0,
}


def _between(kind: str, key: str, app: str) -> dict[str, Any]:
    term = {"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": key}
    return {"affinity": {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}


def _spread(_: int) -> dict[str, Any]:
    selector = {"matchLabels": {"app": "spread"}}
    term = {"maxSkew": 5, "topologyKey": ZONE, "whenUnsatisfiable": "DoNotSchedule", "labelSelector": selector}
    return {"topologySpreadConstraints": [term]}


Shape = Callable[[int], dict[str, Any]]
SHAPES: dict[str, tuple[str, Shape]] = {
    "deployment": ("of a Deployment", lambda _: {}),
    "selector": ("nodeSelector", lambda _: {"nodeSelector": {"disk": "ssd"}}),
    "spread": ("spread over zones", _spread),
    "affinity": ("affinity", lambda _: _between("podAffinity", ZONE, "affinity")),
    "anti": ("anti-affinity", lambda _: _between("podAntiAffinity", HOSTNAME, "anti")),
}


def pod(name: str, app: str, spec: dict[str, Any]) -> bytes:
    requests = {"cpu": "10m", "memory": "16Mi"}
    container = {"name": "main", "image": "registry.k8s.io/pause:3.10", "resources": {"requests": requests}}
    meta = {"name": name, "labels": {"app": app}}
    return msgspec.json.encode(
        {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": [container], **spec}}
    )


class Plane:
    """A control plane without nodes of its own, in a directory of its own."""

    def __init__(self, home: Path) -> None:
        self.paths = ClusterPaths(f"bench{os.getpid()}", home / f"bench{os.getpid()}")
        self._env = {**os.environ, "SAMPAN_HOME": str(home)}
        config = ClusterConfig(name=self.paths.name, nodes=0, port=_free_port())
        configs.save(self.paths, config)
        pki = Pki(self.paths.pki)
        pki.ensure(config, {})
        kubeconfigs.write_own(self.paths, config, pki)
        self._log = (home / "server.log").open("ab")
        self.process: subprocess.Popen[bytes] | None = None

    async def start(self, components: str) -> Client:
        words = ["server", "--name", self.paths.name, "--components", components]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sampan", *words], env=self._env, stdout=self._log, stderr=self._log
        )
        client = load_client(str(self.paths.kubeconfig))
        while True:
            if self.process.poll() is not None:
                raise RuntimeError("the server ended: " + Path(self._log.name).read_text()[-2000:])
            with suppress(ApiError, TransportError):
                await client.raw("GET", "/readyz")
                return client
            await asyncio.sleep(0.01)

    async def stop(self, client: Client) -> None:
        await client.close()
        self.kill()

    def kill(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
            self.process = None

    def cpu(self) -> float:
        """Seconds that the server has used: what other work on the machine does not blur."""
        assert self.process is not None
        tasks = Path(f"/proc/{self.process.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class Bindings:
    """Counts Pods that have a node, as a watch tells of them."""

    def __init__(self, client: Client, namespace: str) -> None:
        self._client = client
        self._namespace = namespace
        self.times: list[float] = []

    async def until(self, count: int) -> None:
        pods = self._client.resource(core_v1.Pod)
        options = ListOptions(field_selector="spec.nodeName!=")
        async with asyncio.timeout(GIVE_UP_SECONDS):
            async with self._client.open(calls.watch(pods.info, self._namespace, options)) as events:
                async for chunk in events:
                    found = chunk.count(b'"type":"ADDED"')
                    self.times += [time.perf_counter()] * found
                    if len(self.times) >= count:
                        return

    def rate(self) -> float:
        return (len(self.times) - 1) / (self.times[-1] - self.times[0])


async def make_nodes(plane: Plane, count: int) -> None:
    """Half of them with `disk=ssd`. Nobody plays their kubelets: what that costs is not the scheduler's."""
    client = await plane.start("apiserver")
    for disk in ("ssd", "hdd"):
        shape = NodeShape(cpu="32", memory="256Gi", zones=ZONES, labels={"disk": disk}, prefix=disk)
        names = await add_nodes(client, count // 2, shape)
        nodes = client.resource(core_v1.Node)
        await each(names, lambda name, nodes=nodes: _untaint(nodes, name))  # type: ignore[misc]
    await plane.stop(client)


async def _untaint(nodes: Any, name: str) -> None:
    await nodes.patch(name, {"spec": {"taints": None}})


async def make_namespace(client: Client, name: str) -> None:
    await client.raw(
        "POST",
        "/api/v1/namespaces",
        headers={"content-type": "application/json"},
        body=msgspec.json.encode({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}),
    )
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    with suppress(ApiError):  # a controller may have been faster
        await client.raw(
            "POST",
            f"/api/v1/namespaces/{name}/serviceaccounts",
            headers={"content-type": "application/json"},
            body=msgspec.json.encode(account),
        )


async def make_pods(client: Client, namespace: str, count: int, spec: Shape, *, clients: int) -> None:
    info = client.resource(core_v1.Pod).info

    async def make(at: int) -> None:
        body = pod(f"p-{at}", namespace, spec(at))
        call = calls.create(info, namespace, body, WriteOptions())
        call.headers["content-type"] = "application/json"
        await client.send(call)

    await each(range(count), make, at_once=clients)


async def waiting(plane: Plane, namespace: str, count: int, spec: Shape) -> tuple[float, float]:
    """Pods per second, and CPU milliseconds of the server per Pod, until each has the Event that says where it went."""
    client = await plane.start("apiserver")
    await make_namespace(client, namespace)
    if namespace == "deployment":
        await _service(client, namespace)
    await make_pods(client, namespace, count, spec, clients=16)
    await plane.stop(client)
    client = await plane.start("apiserver,scheduler")
    bindings = Bindings(client, namespace)
    before = plane.cpu()
    await bindings.until(count)
    await _told(client, namespace, count)
    spent = plane.cpu() - before
    await client.resource(core_v1.Pod).delete_collection(namespace=namespace, grace_period_seconds=0)
    await plane.stop(client)
    return bindings.rate(), spent / count * 1000


async def _told(client: Client, namespace: str, count: int) -> None:
    async with asyncio.timeout(GIVE_UP_SECONDS):
        events = 0
        while events < count:
            await asyncio.sleep(0.1)
            found = await client.raw("GET", f"/api/v1/namespaces/{namespace}/events", query={"limit": "1"})
            page = msgspec.json.decode(found.body)
            events = len(page["items"]) + int(page["metadata"].get("remainingItemCount", 0))


async def _service(client: Client, namespace: str) -> None:
    """With it, Pods are spread by default as those of a Deployment are."""
    body = {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"},
        "spec": {"selector": {"app": namespace}, "ports": [{"port": 80}]},
    }  # fmt: skip
    await client.raw(
        "POST",
        f"/api/v1/namespaces/{namespace}/services",
        headers={"content-type": "application/json"},
        body=msgspec.json.encode(body),
    )


async def created(plane: Plane) -> float:
    """Made by several clients while everything runs, until the last one has its node."""
    client = await plane.start("apiserver,scheduler,controllers")
    await make_namespace(client, "created")
    watcher = load_client(str(plane.paths.kubeconfig))
    bindings = Bindings(watcher, "created")
    began = time.perf_counter()
    watching = asyncio.create_task(bindings.until(CREATED))
    await make_pods(client, "created", CREATED, lambda _: {}, clients=CLIENTS)
    await watching
    took = time.perf_counter() - began
    await watcher.close()
    await plane.stop(client)
    return CREATED / took


async def measure(home: Path, wanted: list[str]) -> dict[str, float]:
    figures: dict[str, float] = {}
    for count in (FEW, MANY):
        if not any(_on(name, count) for name in wanted):
            continue
        plane = Plane(Path(tempfile.mkdtemp(dir=home)))
        try:
            await make_nodes(plane, count)
            for name in wanted:
                if _on(name, count):
                    await _row(plane, name, count, figures)
        finally:
            plane.kill()
    return figures


def _on(name: str, nodes: int) -> bool:
    """Whether the row is measured on so many nodes."""
    return name == "waiting" or (name == "created") == (nodes == FEW)


async def _row(plane: Plane, name: str, nodes: int, figures: dict[str, float]) -> None:
    if name == "created":
        figures["create and bind 3,000 Pods on 100 nodes, /s"] = await created(plane)
        return
    if name == "waiting":
        rate, spent = await waiting(plane, "waiting", WAITING, lambda _: {})
        figures[f"schedule 5,000 waiting Pods on {nodes:,} nodes, /s"] = rate
        figures[f"server's CPU for it, {nodes:,} nodes, ms a Pod"] = spent
        return
    title, spec = SHAPES[name]
    rate, spent = await waiting(plane, name, SHAPED, spec)
    figures[f"{nodes:,} nodes: {title}, /s"] = rate
    figures[f"{nodes:,} nodes: {title}, server's CPU, ms a Pod"] = spent


def run(home: Path, wanted: list[str] | None = None) -> dict[str, float]:
    return asyncio.run(measure(home, wanted or ["waiting", "created", *SHAPES]))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(
        prefix="sampan-bench-", dir=os.environ.get("SAMPAN_BENCH_DIR", "/var/tmp")
    ) as made:
        budgets = {**{name: Budget(must) for name, must in TARGETS.items()}, **BUDGETS}
        print("\n".join(lines(run(Path(made), sys.argv[1:]), budgets)))
