"""What a cluster on etcd reaches beside one on SQLite: `python -m bench.etcd` (as root, for the failovers).

The same requests as `bench.apiserver`, to one server and to three. etcd has one member here, on the disk that SQLite
has: three members on one machine would share its processors and tell nothing of three machines. The failovers are
those of three machines that are network namespaces (`tests.host.machines`), with all defaults.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.apiserver import PODS, SECONDS, Bench
from bench.load import Found
from sampan.client.connection import ConnectionSettings
from sampan.client.http import connect
from tests.unit.storage.etcd.member import Member

EVENTS = 100
Figures = dict[str, float]


@contextmanager
def servers(datastore: str, count: int, folder: Path) -> Iterator[list[Bench]]:
    """They share their CA and keys, as joined servers do."""
    made = [Bench(folder) for _ in range(count)]
    (folder / "datastore").write_text(datastore)
    try:
        for one in made:
            one.start()
        yield made
    finally:
        for one in made:
            one.stop()


def requests(made: list[Bench], where: str) -> Figures:
    figures: Figures = {}
    loads = [one.load() for one in made]

    def measure(what: str, clients: int, run: Callable[[int, int], Found]) -> None:
        """The clients are shared out among the servers (15 among three), all at once."""
        each = max(1, clients // len(loads))
        with ThreadPoolExecutor(len(loads)) as threads:
            found = list(threads.map(lambda index: run(index, each), range(len(loads))))
        figures[f"{where}: {what}, /s"] = sum(one.rate for one in found)

    def creating(clients: int) -> Callable[[int, int], Found]:
        return lambda i, n: loads[i].create_pods(PODS, prefix=f"c{clients}x{i}", clients=n, seconds=SECONDS)

    if len(made) == 1:
        measure("create Pods, 1 client", 1, creating(1))
    measure("create Pods, 16 clients", 16, creating(16))
    name = json.loads(made[0].get(f"{PODS}?limit=1")[1])["items"][0]["metadata"]["name"]
    measure("get a Pod, 16 clients", 16, lambda i, n: loads[i].run(f"{PODS}/{name}", clients=n, seconds=SECONDS))
    measure("list 500 Pods, 4 clients", 4, lambda i, n: loads[i].run(f"{PODS}?limit=500", clients=n, seconds=SECONDS))
    figures[f"{where}: create to watch event, p50 ms"] = asyncio.run(_watched(made[0], made[-1]))
    return figures


async def _watched(one: Bench, other: Bench) -> float:
    """From the request at one server to the event at another (the same, where there is one)."""
    clients = [
        connect(
            ConnectionSettings(server=f"https://127.0.0.1:{b.port}", ca_file=str(b.folder / "ca.crt"), token=b.token)
        )
        for b in (one, other)
    ]
    path, spent = "/api/v1/namespaces/default/configmaps", []
    async with clients[1].transport.stream("GET", path, query={"watch": "1", "resourceVersion": "0"}) as stream:
        events = aiter(stream)
        for number in range(EVENTS):
            name = f"w{number}-{os.getpid()}-{time.monotonic_ns()}"
            began = time.perf_counter()
            body = json.dumps({"metadata": {"name": name}}).encode()
            making = asyncio.create_task(clients[0].transport.request("POST", path, body=body))
            while name.encode() not in await anext(events):
                pass
            spent.append(time.perf_counter() - began)
            await making
    for client in clients:
        await client.close()
    return statistics.median(spent) * 1000


def failovers() -> Figures:
    from tests.host.machines.machines import Machines

    with tempfile.TemporaryDirectory(prefix="sampan-bench-") as folder:
        machines = Machines(Path(folder), f"b{os.getpid()}")
        try:
            machines.start_etcd()
            machines.start_first_server()
            for machine in machines.all[1:]:
                machines.join_server(machine)
            machines.join_agents()
            return {**_etcd_leader(machines), **_servers(machines), **_node(machines)}
        finally:
            machines.down()


def _until(holds: Callable[[], bool]) -> float:
    began = time.monotonic()
    while not holds():
        time.sleep(0.1)
    return time.monotonic() - began


def _etcd_leader(machines: Any) -> Figures:
    """Until a write is acknowledged again."""
    leader = next(m for m in machines.all if m.etcd_leads())
    at = next(m for m in machines.all if m is not leader)
    leader.end("etcd")
    numbers = iter(range(1000))
    took = _until(lambda: machines.try_kubectl("create", "configmap", f"e{next(numbers)}", at=at).returncode == 0)
    leader.start("etcd")
    machines.wait(leader.etcd_is_well)
    return {"failover of etcd's leader: to the next write, s": took}


def _servers(machines: Any) -> Figures:
    """The server that leads is killed: until an agent's client is answered by another, until Pods are made again."""
    leader = machines.leader("kube-controller-manager")
    others = ",".join(f"https://{m.ip}:6443" for m in sorted(machines.all, key=lambda m: m is not leader))
    answered: list[float] = []
    settings = machines.settings(leader, others)

    async def ask() -> None:
        client = connect(settings)
        assert (await client.transport.request("GET", "/api/v1/nodes")).status == 200
        ready.set()
        await asyncio.to_thread(killed.wait)
        began = time.monotonic()
        while (await client.transport.request("GET", "/api/v1/nodes")).status != 200:
            await asyncio.sleep(0.05)
        answered.append(time.monotonic() - began)
        await client.close()

    ready, killed = threading.Event(), threading.Event()
    asking = threading.Thread(target=lambda: asyncio.run(ask()))
    asking.start()
    ready.wait()
    leader.end("server")
    began = time.monotonic()
    killed.set()
    asking.join()
    machines.kubectl("create", "deployment", "after", "--image=sampan.local/busybox:1.36", "--", "sleep", "1000")
    _until(lambda: bool(machines.get("/api/v1/namespaces/default/pods?labelSelector=app%3Dafter")["items"]))
    took = time.monotonic() - began
    leader.start("server")
    machines.wait_serving(leader)
    return {"failover of a server: to its client's next answer, s": answered[0], "failover of the leader, s": took}


def _node(machines: Any) -> Figures:
    """From the cable that is out to the Pod's successor that is Ready; the Pod tolerates nothing."""
    lost = machines.all[2]
    apart = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
        {"weight": 100, "preference": {"matchExpressions": [
            {"key": "kubernetes.io/hostname", "operator": "In", "values": [lost.name]}]}}]}}  # fmt: skip
    soon = [{"key": f"node.kubernetes.io/{why}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 0}
            for why in ("unreachable", "not-ready")]  # fmt: skip
    labels = {"app": "moves"}
    container = {"name": "c", "image": "sampan.local/busybox:1.36", "command": ["sleep", "1000"]}
    spec = {"containers": [container], "affinity": apart, "tolerations": soon, "automountServiceAccountToken": False}
    machines.create(
        {
            "kind": "Deployment",
            "apiVersion": "apps/v1",
            "metadata": {"name": "moves", "namespace": "default"},
            "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": spec}},
        }
    )

    def ready_on(names: set[str]) -> bool:
        found = machines.get("/api/v1/namespaces/default/pods?labelSelector=app%3Dmoves")["items"]
        return any(
            p["spec"].get("nodeName") in names
            and any(c["type"] == "Ready" and c["status"] == "True" for c in p["status"].get("conditions", ()))
            and not p["metadata"].get("deletionTimestamp")
            for p in found
        )

    machines.wait(lambda: ready_on({lost.name}))
    lost.cut_off()
    try:
        took = _until(lambda: ready_on({m.name for m in machines.all if m is not lost}))
    finally:
        lost.plug_in()
    return {"failover of a node: to its Pod's successor Ready, s": took}


def run() -> Figures:
    figures: Figures = {}
    where = os.environ.get("SAMPAN_BENCH_DIR", "/var/tmp")
    with tempfile.TemporaryDirectory(prefix="sampan-bench-", dir=where) as name:
        folder = Path(name)
        for each in ("sqlite", "one", "three"):
            (folder / each).mkdir()
        with servers("", 1, folder / "sqlite") as made:
            figures |= requests(made, "SQLite")
        for count, each in ((1, "one"), (3, "three")):
            member = Member.start(folder / each)
            try:
                with servers(member.address, count, folder / each) as made:
                    figures |= requests(made, f"etcd, {count} server{'s' if count > 1 else ''}")
            finally:
                member.end()
    return figures | failovers()


def main() -> None:
    from bench import table

    print("\n".join(table.lines(run(), {})))


if __name__ == "__main__":
    main()
