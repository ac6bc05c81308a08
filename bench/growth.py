"""How costs grow: `python -m bench growth [CHART…]`. Each chart is a cost against a size, both logarithmic: a level
line is a cost that does not grow, one with the slope of the frame grows in proportion. They go to `plots/growth.svg`,
the figures beside them to `plots/growth.json`.

Costs are CPU time of the process that does the work, so they mean the same on a busy machine. `objects`, `watchers`
and `nodes` are of a server in this process (as in `bench.counts`); `services` of the Service proxy in a namespace of
its own and `pods` of a whole cluster, which need root.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import uvloop

from bench import plot
from bench.counts import PODS, World, pod
from bench.history import PLOTS
from bench.plot import Chart
from bench.processes import cpu_seconds, memory_mb
from sampan.storage import sqlite

OBJECTS = (100, 1000, 10_000, 50_000)
WATCHERS = (1, 10, 100, 1000)
NODES = (10, 100, 1000, 5000)
PODS_ON_A_NODE = (1, 10, 30, 60, 110)
SERVICES = (10, 100, 500, 2000)
_TURNS = 200

Points = list[tuple[float, float]]
Ask = Callable[[int], Awaitable[object]]


async def _cost(ask: Ask, times: int = _TURNS) -> float:
    """Microseconds of CPU: the least of three, as what disturbs only adds."""
    least = float("inf")
    for turn in range(3):
        before = time.process_time()
        for number in range(times):
            await ask(turn * times + number)
        least = min(least, (time.process_time() - before) / times)
    return least * 1e6


async def objects() -> list[Chart]:
    """Against the number of Pods that are stored."""
    world = await World.make()
    costs: dict[str, Points] = {"create": [], "get": [], "status patch": []}
    listing: dict[str, Points] = {"list of all, per Pod": [], "list of 100": []}
    there = 0
    for size in OBJECTS:
        for number in range(there, size):
            await world.ask(world.request("POST", PODS, pod(f"p{number:06}")), 201)
        there = size
        found = {
            "create": lambda n, size=size: world.ask(world.request("POST", PODS, pod(f"c{size}-{n}")), 201),
            "get": lambda n, size=size: world.ask(world.request("GET", f"{PODS}/p{n * 7919 % size:06}")),
            "status patch": lambda n, size=size: world.ask(_status(world, f"p{n * 7919 % size:06}", n)),
        }
        for name, ask in found.items():
            costs[name].append((size, await _cost(ask)))
        page = await _cost(lambda _: world.ask(world.request("GET", f"{PODS}?limit=100&fieldSelector=")), 20)
        listing["list of 100"].append((size, page))
        everything = await _cost(lambda _: world.ask(world.request("GET", PODS)), 3)
        held = len(world.chain.core.caches.cache("pods", namespaced=True).keys)  # with those that were created above
        listing["list of all, per Pod"].append((held, everything / held))
    await world.chain.core.store.close()
    return [
        Chart("A request", "Pods stored", "µs of CPU", costs),
        Chart("A list", "Pods stored", "µs of CPU", listing),
        Chart("Opening the store", "objects of 3 KB", "s", {"open": await _opening()}),
    ]


def _status(world: World, name: str, number: int) -> bytes:
    body = {"status": {"message": f"{number}"}}
    media = "application/strategic-merge-patch+json"
    return world.request("PATCH", f"{PODS}/{name}/status", json.dumps(body).encode(), media)


async def _opening() -> Points:
    points: Points = []
    with tempfile.TemporaryDirectory(prefix="sampan-bench-", dir="/var/tmp") as folder:
        path, there = Path(folder) / "store.db", 0
        for size in OBJECTS:
            store = await sqlite.open_store(path=path)
            for first in range(there, size, 500):
                keys = [f"/registry/x/{first + n:06}" for n in range(min(500, size - first))]
                await asyncio.gather(*(store.create(key=key, value=bytes(3000)) for key in keys))
            there = size
            await store.close()
            began = time.perf_counter()
            store = await sqlite.open_store(path=path)
            points.append((size, time.perf_counter() - began))
            await store.close()
    return points


async def watchers() -> list[Chart]:
    """Against the number of open watches: those that see the write, and those of another namespace that do not."""
    world = await World.make()
    places = {
        "of another namespace": ("/api/v1/namespaces/kube-system/pods", ""),
        "of another object": (PODS, "&fieldSelector=metadata.name%3Dx"),
        "of the object": (PODS, ""),
    }
    alone = await _writes(world, "alone")
    costs: dict[str, Points] = {}
    for turn, (what, (path, selector)) in enumerate(places.items()):
        costs[what] = points = []
        watch = world.request("GET", f"{path}?watch=1&resourceVersion={world.chain.core.caches.revision}{selector}")
        there = 0
        for size in WATCHERS:
            for _ in range(size - there):
                connection, _ = world.connect()
                connection.data_received(watch)
            there = size
            points.append((size, await _writes(world, f"w{turn}-{size}")))
    await world.chain.core.store.close()
    told = [(size, max(cost - alone, 0.1) / size) for size, cost in costs["of the object"] if size > 1]
    return [
        Chart("A create", "watchers", "µs of CPU", costs),
        Chart("An event told", "watchers of the object", "µs of CPU each", {"told": told}),
    ]


async def _writes(world: World, prefix: str) -> float:
    async def write(number: int) -> None:
        await world.ask(world.request("POST", PODS, pod(f"{prefix}-{number}")), 201)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    return await _cost(write, 30)


async def nodes() -> list[Chart]:
    """Against the number of nodes: a Lease's renewal, and the binding of a Pod that every kubelet's watch might see."""
    world = await World.make()
    leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
    costs: dict[str, Points] = {"renewal of a Lease": [], "binding of a Pod, a kubelet a node watching": []}
    there = 0
    for size in NODES:
        for number in range(there, size):
            lease = {"metadata": {"name": f"n{number}"}, "spec": {"holderIdentity": f"n{number}"}}
            node = {"metadata": {"name": f"n{number}"}}
            await world.ask(world.request("POST", leases, json.dumps(lease).encode()), 201)
            await world.ask(world.request("POST", "/api/v1/nodes", json.dumps(node).encode()), 201)
            connection, _ = world.connect()
            connection.data_received(
                world.request("GET", f"/api/v1/pods?watch=1&resourceVersion=1&fieldSelector=spec.nodeName%3Dn{number}")
            )
        there = size

        async def renew(number: int, size: int = size) -> None:
            change = {"spec": {"renewTime": f"2026-11-20T00:00:{number % 60:02}.{number:06}Z"}}
            media, name = "application/merge-patch+json", f"n{number * 7919 % size}"
            await world.ask(world.request("PATCH", f"{leases}/{name}", json.dumps(change).encode(), media))

        async def bind(number: int, size: int = size) -> None:
            name = f"b{size}-{number}"
            target = {"kind": "Node", "name": f"n{number * 7919 % size}"}
            body = json.dumps({"metadata": {"name": name}, "target": target}).encode()
            await world.ask(world.request("POST", f"{PODS}/{name}/binding", body), 201)

        for number in range(_TURNS * 3):
            await world.ask(world.request("POST", PODS, pod(f"b{size}-{number}")), 201)
        for (_, points), ask in zip(costs.items(), (renew, bind), strict=True):
            points.append((size, await _cost(ask)))
    await world.chain.core.store.close()
    return [Chart("What nodes make", "nodes", "µs of CPU", costs), await _decisions()]


async def _decisions() -> Chart:
    """The scheduler's own part of placing a Pod, without the writes."""
    from tests.unit.scheduler.objects import info, node, scheduler

    zone = "topology.kubernetes.io/zone"
    spread = [
        {
            "maxSkew": 1,
            "topologyKey": zone,
            "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {"matchLabels": {"app": "spread"}},
        }
    ]
    wishes: dict[str, dict[str, Any]] = {
        "any node": {},
        "spread over zones": {"labels": {"app": "spread"}, "topologySpreadConstraints": spread},
    }
    lines: dict[str, Points] = {what: [] for what in wishes}
    for size in NODES:
        for what, wish in wishes.items():
            made = (node(f"n{n}", cpu="64", memory="256Gi", labels={zone: f"z{n % 3}"}) for n in range(size))
            deciding = scheduler(*made)

            async def decide(number: int, deciding: Any = deciding, wish: dict[str, Any] = wish) -> None:
                pod = info(f"p{number}", cpu="10m", **wish)
                decision = deciding.decide(pod)
                assert decision.node, decision
                deciding.world.cache.assume(pod, decision.node)

            lines[what].append((size, await _cost(decide)))
    return Chart("A scheduler's decision", "nodes", "µs of CPU", lines)


def services() -> list[Chart]:
    from bench.network import service_growth

    found = service_growth(SERVICES)
    lines = {
        "first sync": [(count, costs.first_sync) for count, costs in found.items()],
        "endpoint change to effect, p50": [(count, costs.change) for count, costs in found.items()],
    }
    return [Chart("The Service proxy", "Services", "ms", lines)]


def pods() -> list[Chart]:
    """Against the Pods of one node, running and at rest."""
    from bench import cluster

    cpu: Points = []
    memory: Points = []
    one: Points = []
    with cluster.fresh() as made:
        there = 0
        for size in PODS_ON_A_NODE:
            for number in range(there, size - 1):
                made.create_pod(f"p{number}")
            made.until_ready(size - 1)
            began = time.perf_counter()
            made.create_pod(f"p{size - 1}")
            made.until_ready(size)
            one.append((size, (time.perf_counter() - began) * 1000))
            there = size
            made.until_calm()
            pids = made.processes()
            before = cpu_seconds(pids)
            time.sleep(20)
            cpu.append((size, (cpu_seconds(pids) - before) / 20 * 100))
            memory.append((size, memory_mb(pids)))
        made.remove_pods()
    return [
        Chart("Pods at rest", "Pods of the node", "% of a core", {"CPU": cpu}),
        Chart("Pods at rest", "Pods of the node", "MB", {"memory": memory}),
        Chart("One Pod more, to Ready", "Pods of the node", "ms", {"ms": one}),
    ]


CHARTS: dict[str, Callable[[], Sequence[Chart]]] = {
    "objects": lambda: uvloop.run(objects()),
    "watchers": lambda: uvloop.run(watchers()),
    "nodes": lambda: uvloop.run(nodes()),
    "services": services,
    "pods": pods,
}


def main(argv: list[str]) -> int:
    """Charts that are not measured now stay as they were."""
    PLOTS.mkdir(exist_ok=True)
    file = PLOTS / "growth.json"
    known = json.loads(file.read_text()) if file.exists() else {}
    for name in argv or list(CHARTS):
        began = time.monotonic()
        charts = CHARTS[name]()
        known[name] = [[c.title, c.across, c.up, {n: list(line) for n, line in c.lines.items()}] for c in charts]
        print(f"{name} ({time.monotonic() - began:.0f} s)")
        for chart in charts:
            for line, points in chart.lines.items():
                print(f"  {chart.title}, {line}, {chart.up}: " + "  ".join(f"{x:g}: {y:.3g}" for x, y in points))
    file.write_text(json.dumps(known, indent=1) + "\n")
    drawn = [Chart(title, across, up, lines) for name in CHARTS for title, across, up, lines in known.get(name, ())]
    (PLOTS / "growth.svg").write_text(plot.svg(drawn, columns=3))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
