"""What brings a waiting Pod back, beside a real API server: gates that open, a neighbour that shrinks."""

from __future__ import annotations

import asyncio

from sampan.api.types import core_v1, meta_v1
from tests.integration.controllers.objects import make_pod, pod
from tests.integration.controllers.world import World
from tests.integration.scheduler.test_again import asking
from tests.integration.scheduler.test_placing import add_node, cluster, events, get, placed

__all__ = ["cluster"]


async def test_a_gated_pod_waits_until_its_gates_are_gone(cluster: World) -> None:
    await add_node(cluster, "n1")
    await make_pod(cluster, pod("gated", schedulingGates=[core_v1.PodSchedulingGate(name="example.com/quota")]))
    await make_pod(cluster, pod("free"))
    await placed(cluster, "free")
    waiting = await get(cluster, "gated")
    assert not waiting.spec.nodeName
    [condition] = [c for c in waiting.status.conditions or () if c.type == "PodScheduled"]
    assert condition.reason == "SchedulingGated"
    await cluster.admin.resource(core_v1.Pod).patch("gated", {"spec": {"schedulingGates": None}}, namespace="default")
    assert await placed(cluster, "gated", timeout=5) == "n1"


async def test_a_pod_that_shrinks_makes_room(cluster: World) -> None:
    await add_node(cluster, "n1")
    await make_pod(cluster, asking("large", "2"))
    await placed(cluster, "large")
    await make_pod(cluster, asking("waiting", "1"))
    await cluster.until(lambda: events(cluster, "waiting", "FailedScheduling"))
    await asyncio.sleep(1.1)  # its first back-off
    container = {"name": "a", "resources": {"requests": {"cpu": "500m"}}}
    await cluster.admin.resource(core_v1.Pod).patch(
        "large",
        {"spec": {"containers": [container]}},
        namespace="default",
        subresource="resize",
        type="application/strategic-merge-patch+json",
    )
    assert await placed(cluster, "waiting", timeout=10) == "n1"


async def test_a_neighbour_that_is_relabelled_is_in_nobodys_way(cluster: World) -> None:
    await add_node(cluster, "n1")
    await cluster.admin.resource(core_v1.Node).patch("n1", {"metadata": {"labels": {"kubernetes.io/hostname": "n1"}}})
    await make_pod(cluster, pod("web", labels={"app": "web"}))
    await placed(cluster, "web")
    term = core_v1.PodAffinityTerm(
        labelSelector=meta_v1.LabelSelector(matchLabels={"app": "web"}), topologyKey="kubernetes.io/hostname"
    )
    away = core_v1.PodAntiAffinity(requiredDuringSchedulingIgnoredDuringExecution=[term])
    await make_pod(cluster, pod("loner", affinity=core_v1.Affinity(podAntiAffinity=away)))
    await cluster.until(lambda: events(cluster, "loner", "FailedScheduling"))
    await asyncio.sleep(1.1)  # its first back-off
    await cluster.admin.resource(core_v1.Pod).patch(
        "web", {"metadata": {"labels": {"app": "old"}}}, namespace="default"
    )
    assert await placed(cluster, "loner", timeout=10) == "n1"
