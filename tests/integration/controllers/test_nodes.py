"""Nodes that are not heard of, and what becomes of their Pods."""

import asyncio
from typing import Any

import pytest

from sampan.api.types import coordination_v1, core_v1, meta_v1
from tests.integration.controllers.objects import make_pod, pod
from tests.integration.controllers.world import World

NAMES = (
    "node-lifecycle-controller",
    "taint-eviction-controller",
    "pod-garbage-collector-controller",
    "serviceaccount-controller",
)
ONE_SECOND: dict[str, Any] = {"node_grace": 1.0, "node_startup_grace": 1.0, "eviction_rate": 100.0}


class Kubelet:
    """Renews its Lease until it is stopped."""

    def __init__(self, cluster: World, name: str) -> None:
        self.cluster, self.name = cluster, name
        self.task: asyncio.Task[None] | None = None

    async def register(self) -> None:
        nodes = self.cluster.admin.resource(core_v1.Node)
        await nodes.create(core_v1.Node(metadata=meta_v1.ObjectMeta(name=self.name)))
        await self.post_status()
        lease = coordination_v1.Lease(metadata=meta_v1.ObjectMeta(name=self.name, namespace="kube-node-lease"))
        await self.cluster.admin.resource(coordination_v1.Lease).create(lease)
        self.task = asyncio.create_task(self._renew())

    async def post_status(self, ready: str = "True") -> None:
        conditions = [{"type": "Ready", "status": ready, "reason": "KubeletReady", "message": "kubelet is ready"}]
        await self.cluster.admin.resource(core_v1.Node).patch(
            self.name, {"status": {"conditions": conditions}}, subresource="status"
        )

    async def _renew(self) -> None:
        leases = self.cluster.admin.resource(coordination_v1.Lease)
        while True:
            await asyncio.sleep(0.2)
            stamp = f"2026-01-01T00:00:00.{asyncio.get_running_loop().time() % 1 * 1e6:06.0f}Z"
            await leases.patch(self.name, {"spec": {"renewTime": stamp}}, namespace="kube-node-lease")

    def die(self) -> None:
        if self.task is not None:
            self.task.cancel()


async def node_state(cluster: World, name: str) -> tuple[str, str, set[tuple[str, str]]]:
    node = await cluster.admin.resource(core_v1.Node).get(name)
    ready = next(c for c in node.status.conditions or () if c.type == "Ready")
    return ready.status, ready.reason or "", {(t.key, t.effect) for t in node.spec.taints or ()}


async def test_a_node_that_falls_silent_loses_its_pods(cluster: World) -> None:
    cluster.start(*NAMES, **ONE_SECOND)
    alive, dying = Kubelet(cluster, "alive"), Kubelet(cluster, "dying")
    await alive.register()
    await dying.register()
    now, later = core_v1.Toleration, 1
    tolerant = [
        now(key="node.kubernetes.io/unreachable", operator="Exists", effect="NoExecute", tolerationSeconds=later)
    ]
    for_ever = [now(key="node.kubernetes.io/unreachable", operator="Exists", effect="NoExecute")]
    await make_pod(cluster, pod("leaves", tolerations=tolerant), ip="10.244.0.2", node="dying")
    await make_pod(cluster, pod("stays", tolerations=for_ever), ip="10.244.0.3", node="dying")
    await make_pod(cluster, pod("elsewhere"), ip="10.244.0.4", node="alive")
    await asyncio.sleep(1.5)
    assert await node_state(cluster, "dying") == ("True", "KubeletReady", set())
    dying.die()

    async def unknown() -> bool:
        return await node_state(cluster, "dying") == (
            "Unknown",
            "NodeStatusUnknown",
            {("node.kubernetes.io/unreachable", "NoSchedule"), ("node.kubernetes.io/unreachable", "NoExecute")},
        )

    await cluster.until(unknown)
    pods = cluster.admin.resource(core_v1.Pod)

    async def not_ready() -> bool:
        found = await pods.get("stays", namespace="default")
        return [c.status for c in found.status.conditions or () if c.type == "Ready"] == ["False"]

    await cluster.until(not_ready)

    async def evicted() -> bool:
        found = await pods.get("leaves", namespace="default")
        reasons = {c.type: c.reason for c in found.status.conditions or ()}
        return found.metadata.deletionTimestamp is not None and reasons["DisruptionTarget"] == "DeletionByTaintManager"

    await cluster.until(evicted)
    for name in ("stays", "elsewhere"):
        assert (await pods.get(name, namespace="default")).metadata.deletionTimestamp is None

    async def told() -> bool:
        events = (await cluster.admin.resource(core_v1.Event).list()).items
        said = {(e.involvedObject.name, e.reason, e.message) for e in events}
        return said >= {
            ("dying", "NodeNotReady", "Node dying status is now: NodeNotReady"),
            ("stays", "NodeNotReady", "Node is not ready"),
            ("leaves", "TaintManagerEviction", "Marking for deletion Pod default/leaves"),
            ("dying", "RegisteredNode", "Node dying event: Registered Node dying in Controller"),
        }

    await cluster.until(told)
    await dying.post_status()

    async def back() -> bool:
        return (await node_state(cluster, "dying"))[2] == set()

    await cluster.until(back)
    alive.die()


async def test_when_nobody_is_heard_of_nobody_is_driven_out(cluster: World) -> None:
    cluster.start(*NAMES, **ONE_SECOND)
    only = Kubelet(cluster, "only")
    await only.register()
    only.die()

    async def unknown() -> bool:
        status, _, taints = await node_state(cluster, "only")
        return status == "Unknown" and taints == {("node.kubernetes.io/unreachable", "NoSchedule")}

    await cluster.until(unknown)
    await asyncio.sleep(0.5)
    assert await unknown()


async def test_conditions_and_cordons_become_taints(cluster: World) -> None:
    cluster.start(*NAMES)
    node = Kubelet(cluster, "n")
    await node.register()
    node.die()
    nodes = cluster.admin.resource(core_v1.Node)
    await nodes.patch("n", {"spec": {"unschedulable": True}})
    conditions = [{"type": "Ready", "status": "True"}, {"type": "MemoryPressure", "status": "True"}]
    await nodes.patch("n", {"status": {"conditions": conditions}}, subresource="status")

    async def tainted() -> bool:
        return (await node_state(cluster, "n"))[2] == {
            ("node.kubernetes.io/unschedulable", "NoSchedule"),
            ("node.kubernetes.io/memory-pressure", "NoSchedule"),
        }

    await cluster.until(tainted)
    await nodes.patch("n", {"spec": {"unschedulable": None}})
    await node.post_status()

    async def clean() -> bool:
        return (await node_state(cluster, "n"))[2] == set()

    await cluster.until(clean)


async def test_pods_of_a_node_that_is_no_more_go(cluster: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sampan.controllers.pod_gc.controller.QUARANTINE", 0.3)
    cluster.start(*NAMES)
    nodes = cluster.admin.resource(core_v1.Node)
    await nodes.create(core_v1.Node(metadata=meta_v1.ObjectMeta(name="n")))
    await make_pod(cluster, pod("p"), ip="10.244.0.2", node="n")
    await nodes.delete("n")
    await cluster.gone(core_v1.Pod, "p", namespace="default")
