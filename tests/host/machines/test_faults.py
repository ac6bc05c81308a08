"""What befalls three machines: a cable that is pulled, clocks that differ, processes that are killed under load."""

from __future__ import annotations

import asyncio
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from sampan.api.types import core_v1
from sampan.client.api import Client
from sampan.client.http import HttpTransport, connect
from sampan.client.informer import Informer
from sampan.client.kubeconfig import load_settings
from tests.host.machines.chaos import killing
from tests.host.machines.machines import SAMPAN, Machine, Machines
from tests.host.machines.test_rows import World, on, pod, pod_spec, workload
from tests.integration.etcd.history import record
from tests.integration.etcd.linearizable import violations

pytestmark = pytest.mark.root
AHEAD = Path(__file__).parent / "ahead"
SOON = [{"key": f"node.kubernetes.io/{why}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 3}
        for why in ("unreachable", "not-ready")]  # fmt: skip


@pytest.fixture
def world(machines: Machines) -> World:
    return World(machines)


def asked_there(machine: Machine, *words: str) -> subprocess.CompletedProcess[str]:
    """By somebody at that machine, of its own server."""
    line = [*SAMPAN, "--kubeconfig", str(machine.kubeconfig), "--request-timeout=8s", *words]
    return subprocess.run(machine.inside(line), env=machine.env, capture_output=True, text=True, check=False)


def alone(folder: Path) -> str:
    """Says so in `twice` when another of its name is there already. A container that is killed leaves its mark."""
    return (
        f"mkdir {folder}/$HOSTNAME || echo $HOSTNAME >> {folder}/twice; "
        f"trap 'rmdir {folder}/$HOSTNAME; exit' TERM; sleep 100000 & wait"
    )


def stateful(folder: Path) -> dict[str, Any]:
    made = workload("StatefulSet", "single", replicas=3, serviceName="x", podManagementPolicy="Parallel")
    spec = pod_spec(tolerations=SOON)
    spec["containers"][0]["command"] = ["sh", "-c", alone(folder)]
    spec["containers"][0]["volumeMounts"] = [{"name": "shared", "mountPath": str(folder)}]
    spec["volumes"] = [{"name": "shared", "hostPath": {"path": str(folder)}}]
    made["spec"]["template"]["spec"] = spec
    return made


def test_a_machine_that_is_cut_off_and_comes_back(world: World, tmp_path: Path) -> None:
    machines, lost = world.machines, world.machines[2]
    shared = tmp_path / "shared"
    shared.mkdir()
    spread = {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
        {"weight": 100, "podAffinityTerm": {"labelSelector": {"matchLabels": {"app": "moving"}},
                                            "topologyKey": "kubernetes.io/hostname"}}
    ]}}  # fmt: skip
    moving = workload("Deployment", "moving", replicas=3)
    moving["spec"]["template"]["spec"] = pod_spec(tolerations=SOON, affinity=spread)
    machines.create(moving, stateful(shared))
    before = {p["spec"]["nodeName"]: p["metadata"] for p in world.ready("app=moving", 3)}
    singles = world.ready("app=single", 3)
    assert lost.name in before
    there = [p["metadata"]["name"] for p in singles if p["spec"]["nodeName"] == lost.name]
    kept = world.type("create", "configmap", "kept", "--from-literal=a=b")
    assert "created" in kept

    lost.cut_off()
    try:
        # Its server: not ready, no reads that pass for fresh, no writes.
        until = time.monotonic() + 30
        while asked_there(lost, "get", "--raw", "/readyz").stdout == "ok":
            assert time.monotonic() < until
            time.sleep(0.5)
        assert asked_there(lost, "get", "configmap", "kept").returncode != 0
        assert asked_there(lost, "create", "configmap", "unheard").returncode != 0
        assert asked_there(lost, "get", "--raw", "/livez").stdout == "ok"
        # The others go on: the node is unreachable, its Pods are replaced; not those of which there may be only one.
        node = f"/api/v1/nodes/{lost.name}"
        machines.wait(lambda: _ready_condition(machines.get(node)) == "Unknown")
        machines.wait(lambda: "node.kubernetes.io/unreachable" in _taints(machines.get(node)))
        machines.wait(lambda: replaced(world, lost))
        machines.wait(
            lambda: all(
                p["metadata"].get("deletionTimestamp")
                for p in world.pods("app=single")
                if p["metadata"]["name"] in there
            )
        )
        world.type("delete", "configmap", "kept")
        assert {p["metadata"]["name"] for p in world.pods("app=single")} == {p["metadata"]["name"] for p in singles}
    finally:
        lost.plug_in()

    machines.wait_serving(lost)
    assert asked_there(lost, "get", "configmap", "kept", "--ignore-not-found").stdout == ""
    assert asked_there(lost, "get", "configmap", "unheard", "--ignore-not-found").stdout == ""
    machines.wait(lambda: _ready_condition(machines.get(node)) == "True")
    # What was replaced ends there; what was not is started anew.
    uid = before[lost.name]["uid"]
    machines.wait(lambda: uid not in {p["metadata"]["uid"] for p in world.pods("app=moving")})
    machines.wait(
        lambda: (
            before[lost.name]["name"] not in lost.sampan("ctr", "ps", "--root", str(lost.root / "agents" / lost.name))
        )
    )
    old = {p["metadata"]["uid"] for p in singles if p["metadata"]["name"] in there}
    machines.wait(lambda: old.isdisjoint(p["metadata"]["uid"] for p in world.ready("app=single", 3)))
    assert not (shared / "twice").exists()


def replaced(world: World, lost: Machine) -> bool:
    """Which of the others has them is the scheduler's choice: one whose agent asked the lost machine's server may have
    counted as lost for a moment itself."""
    staying = [p for p in world.pods("app=moving") if not p["metadata"].get("deletionTimestamp")]
    nodes = [p["spec"].get("nodeName", "") for p in staying]
    return len(nodes) == 3 and "" not in nodes and lost.name not in nodes


def _ready_condition(node: dict[str, Any]) -> str:
    return next(c["status"] for c in node["status"]["conditions"] if c["type"] == "Ready")


def _taints(node: dict[str, Any]) -> set[str]:
    return {t["key"] for t in node["spec"].get("taints", ())}


def test_under_load_everything_is_killed_in_turn(world: World, tmp_path: Path) -> None:
    """Histories of clients of all three servers are linearizable, and no Pod of a StatefulSet ever ran twice."""
    machines = world.machines
    shared = tmp_path / "shared"
    shared.mkdir()
    world.type("delete", "statefulset", "single", "--ignore-not-found")
    world.gone("app=single")
    machines.create(stateful(shared))
    world.ready("app=single", 3)

    async def load() -> None:
        clients = [Client(HttpTransport(load_settings(str(m.kubeconfig)), retries=0)) for m in machines.all]
        every = ",".join(f"https://{m.ip}:6443" for m in machines.all)
        watching = connect(machines.settings(machines[0], every))
        seen: set[str] = set()
        informer = Informer(watching.resource(core_v1.ConfigMap), namespace="default")
        informer.add_handler(
            on_add=lambda obj: seen.add((obj.data or {}).get("value", "")),
            on_update=lambda _, obj: seen.add((obj.data or {}).get("value", "")),
        )
        informer.start()
        await informer.wait_for_sync()
        history = await record(clients, seconds=20)
        # A watcher that goes from server to server has seen every write that was acknowledged.
        written = {o.value for o in history if o.outcome == "ok" and o.kind in ("create", "update")}
        async with asyncio.timeout(60):
            while not written <= seen:
                await asyncio.sleep(0.2)
        await informer.stop()
        for client in (*clients, watching):
            await client.close()
        assert violations(history) == []
        assert sum(o.outcome == "ok" for o in history) > 100

    with killing(machines, every=1.0, away=1.0) as killed:
        asyncio.run(load())
    assert len(killed) > 5
    world.ready("app=single", 3)
    assert not (shared / "twice").exists()


def test_clocks_half_a_minute_apart(world: World) -> None:
    """One machine's server and agent are ahead: nodes stay, Leases hold, tokens and certificates are accepted."""
    machines, fast = world.machines, world.machines[1]
    fast.env |= {"SAMPAN_TEST_AHEAD": "30", "PYTHONPATH": ":".join([str(AHEAD), *_path(fast)])}
    for what in ("server", "agent"):
        fast.end(what)
        fast.start(what)
    machines.wait_serving(fast)
    leader = machines[0]  # the next leader is the one that is ahead, or the third
    leader.end("server")
    leader.start("server")
    machines.wait_serving(leader)
    names = [m.name for m in machines.all]
    machines.create(
        *(
            pod(f"late-{i}", pod_spec(automountServiceAccountToken=True, **on(n)), row="late")
            for i, n in enumerate(names)
        )
    )
    world.ready("row=late", 3)
    at = time.monotonic()
    while time.monotonic() < at + 15:  # longer than a node may be silent
        assert all(_ready_condition(machines.get(f"/api/v1/nodes/{name}")) == "True" for name in names)
        time.sleep(1)
    for machine in machines.all:
        token = machines.kubectl("create", "token", "default", at=machine).strip()
        for other in machines.all:
            assert "system:serviceaccount:default:default" in machines.kubectl(
                "auth", "whoami", "--token", token, at=other
            )


def _path(machine: Machine) -> list[str]:
    return [machine.env["PYTHONPATH"]] if "PYTHONPATH" in machine.env else []
