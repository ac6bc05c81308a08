"""The scheduler beside a real API server: Pods get their node, and those that cannot are told why."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio

from sampan.api.types import core_v1, events_v1, meta_v1
from sampan.scheduler import SchedulerConfig, run
from tests.integration.controllers.objects import make_pod, pod
from tests.integration.controllers.world import World, world

NO_GPU = (
    "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector. no new claims to deallocate, "
    "preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling."
)


@pytest_asyncio.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        made.start("serviceaccount-controller")
        client = made.client("system:kube-scheduler") if made.has_rbac else made.admin
        task = asyncio.create_task(run(client, SchedulerConfig()))
        try:
            yield made
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def add_node(cluster: World, name: str) -> None:
    nodes = cluster.admin.resource(core_v1.Node)
    await nodes.create(core_v1.Node(metadata=meta_v1.ObjectMeta(name=name)))
    await nodes.patch(
        name, {"status": {"allocatable": {"cpu": "2", "memory": "4Gi", "pods": "110"}}}, subresource="status"
    )
    await nodes.patch(name, {"spec": {"taints": None}})


async def get(cluster: World, name: str) -> core_v1.Pod:
    return await cluster.admin.resource(core_v1.Pod).get(name, namespace="default")


async def placed(cluster: World, name: str, *, timeout: float = 15.0) -> str:
    async def node() -> str:
        return (await get(cluster, name)).spec.nodeName or ""

    found: str = await cluster.until(node, timeout=timeout, why=f"{name} has no node")
    return found


async def events(cluster: World, name: str, reason: str) -> list[str]:
    listed = await cluster.admin.resource(events_v1.Event).list(namespace="default")
    return [
        e.note or ""
        for e in listed.items
        if e.reason == reason and e.regarding is not None and e.regarding.name == name
    ]


async def test_pods_are_spread_and_told_so(cluster: World) -> None:
    for name in ("n1", "n2"):
        await add_node(cluster, name)
    asks = core_v1.ResourceRequirements(requests={"cpu": "1"})
    for at in range(4):
        container = core_v1.Container(name="a", image="busybox", resources=asks)
        await make_pod(cluster, pod(f"p{at}", containers=[container]))
    on = [await placed(cluster, f"p{at}") for at in range(4)]
    assert sorted(on) == ["n1", "n1", "n2", "n2"]
    assert await cluster.until(lambda: events(cluster, "p0", "Scheduled")) == [
        f"Successfully assigned default/p0 to {on[0]}"
    ]


async def test_it_says_why_not_and_a_label_brings_the_pod_back_at_once(cluster: World) -> None:
    for name in ("n1", "n2"):
        await add_node(cluster, name)
    await make_pod(cluster, pod("p", nodeSelector={"gpu": "true"}))

    async def condition() -> Any:
        found = (await get(cluster, "p")).status.conditions or ()
        return next((c for c in found if c.type == "PodScheduled" and c.message == NO_GPU), None)

    said = await cluster.until(condition, why="no such condition")
    assert (said.status, said.reason) == ("False", "Unschedulable")
    assert NO_GPU in await cluster.until(lambda: events(cluster, "p", "FailedScheduling"))
    await asyncio.sleep(1.1)  # its first back-off
    began = time.monotonic()
    await cluster.admin.resource(core_v1.Node).patch("n2", {"metadata": {"labels": {"gpu": "true"}}})
    assert await placed(cluster, "p", timeout=5) == "n2"
    assert time.monotonic() - began < 5  # an event, not the flush after minutes


async def test_company_that_the_scheduler_placed_itself_wakes_who_waits_for_it(cluster: World) -> None:
    await add_node(cluster, "n1")
    term = core_v1.PodAffinityTerm(
        labelSelector=meta_v1.LabelSelector(matchLabels={"app": "web"}), topologyKey="kubernetes.io/hostname"
    )
    await cluster.admin.resource(core_v1.Node).patch("n1", {"metadata": {"labels": {"kubernetes.io/hostname": "n1"}}})
    near = core_v1.Affinity(podAffinity=core_v1.PodAffinity(requiredDuringSchedulingIgnoredDuringExecution=[term]))
    await make_pod(cluster, pod("follower", affinity=near))
    await cluster.until(lambda: events(cluster, "follower", "FailedScheduling"))
    await make_pod(cluster, pod("leader", labels={"app": "web"}))
    assert await placed(cluster, "follower", timeout=10) == "n1"


async def test_a_more_important_pod_makes_room(cluster: World) -> None:
    await add_node(cluster, "n1")
    asks = core_v1.ResourceRequirements(requests={"cpu": "2"})
    container = core_v1.Container(name="a", image="busybox", resources=asks)
    await make_pod(cluster, pod("small", containers=[container], terminationGracePeriodSeconds=0))
    assert await placed(cluster, "small") == "n1"
    await make_pod(cluster, pod("vip", containers=[container], priorityClassName="system-node-critical"))
    assert await placed(cluster, "vip") == "n1"
    await cluster.gone(core_v1.Pod, "small", namespace="default")
    said = await cluster.until(lambda: events(cluster, "small", "Preempted"))
    assert said[0].endswith(" on node n1")
