"""A scheduler that starts in the middle of things: what was decided before is in the API, and holds."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sampan.api.types import core_v1, meta_v1, scheduling_v1
from sampan.client.clock import RealClock
from sampan.scheduler import SchedulerConfig
from sampan.scheduler.run import SchedulerService
from sampan.scheduler.verdict import Verdicts
from tests.integration.controllers.objects import make_pod, pod
from tests.integration.controllers.world import World, world
from tests.integration.scheduler.test_placing import add_node, events, get, placed


@asynccontextmanager
async def scheduler(cluster: World) -> AsyncIterator[SchedulerService]:
    service = SchedulerService(
        cluster.client("system:kube-scheduler"), SchedulerConfig(backoff_max=1.0), RealClock(), Verdicts()
    )
    task = asyncio.create_task(service.run())
    try:
        yield service
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def asking(name: str, cpu: str, **more: Any) -> core_v1.Pod:
    asks = core_v1.ResourceRequirements(requests={"cpu": cpu})
    return pod(name, containers=[core_v1.Container(name="a", image="busybox", resources=asks)], **more)


async def test_stopped_in_the_middle_no_pod_is_bound_twice_or_forgotten(tmp_path: Path) -> None:
    async with world(tmp_path) as cluster:
        cluster.start("serviceaccount-controller")
        for name in ("n1", "n2"):
            await add_node(cluster, name)
        for at in range(40):
            await make_pod(cluster, asking(f"p{at}", "100m"))
        for pause in (0.0, 0.005, 0.02, 0.05):
            async with scheduler(cluster) as service:
                await service.feed.synced()
                await asyncio.sleep(pause)
        async with scheduler(cluster):
            on = [await placed(cluster, f"p{at}") for at in range(40)]
        assert sorted(Counter(on).values()) == [20, 20], "two nodes with room for 20 each"
        for at in range(40):
            assert len(await events(cluster, f"p{at}", "Scheduled")) <= 1


async def nominated(cluster: World, name: str) -> str:
    return (await get(cluster, name)).status.nominatedNodeName or ""


async def vip_class(cluster: World) -> None:
    made = scheduling_v1.PriorityClass(metadata=meta_v1.ObjectMeta(name="vip"), value=1000)
    await cluster.admin.resource(scheduling_v1.PriorityClass).create(made)


async def test_room_that_is_being_made_is_kept_over_a_restart(tmp_path: Path) -> None:
    async with world(tmp_path) as cluster:
        cluster.start("serviceaccount-controller")
        await vip_class(cluster)
        await add_node(cluster, "n1")
        slow = asking("slow", "2")
        slow.metadata.finalizers = ["example.com/not-yet"]  # as a victim with a long grace period
        await make_pod(cluster, slow)
        async with scheduler(cluster):
            assert await placed(cluster, "slow") == "n1"
            await make_pod(cluster, asking("vip", "2", priorityClassName="vip"))
            assert await cluster.until(lambda: nominated(cluster, "vip")) == "n1"
            await cluster.until(lambda: _leaving(cluster, "slow"))
        async with scheduler(cluster) as service:
            await service.feed.synced()
            assert service.world.nominated
            await cluster.admin.resource(core_v1.Pod).patch(
                "slow", {"metadata": {"finalizers": None}}, namespace="default"
            )
            await cluster.admin.resource(core_v1.Pod).delete("slow", namespace="default", grace_period_seconds=0)
            await make_pod(cluster, asking("late", "1"))
            assert await placed(cluster, "vip") == "n1"
            await cluster.until(lambda: events(cluster, "late", "FailedScheduling"))
            assert not (await get(cluster, "late")).spec.nodeName


async def _leaving(cluster: World, name: str) -> bool:
    return bool((await get(cluster, name)).metadata.deletionTimestamp)


async def test_a_nomination_that_leads_nowhere_is_taken_back(tmp_path: Path) -> None:
    async with world(tmp_path) as cluster:
        cluster.start("serviceaccount-controller")
        await add_node(cluster, "n1")
        await make_pod(cluster, asking("big", "64"))
        await cluster.admin.resource(core_v1.Pod).patch(
            "big", {"status": {"nominatedNodeName": "n1"}}, namespace="default", subresource="status"
        )
        async with scheduler(cluster):

            async def cleared() -> bool:
                return not await nominated(cluster, "big")

            await cluster.until(cleared)


async def test_why_is_known_node_by_node(tmp_path: Path) -> None:
    async with world(tmp_path) as cluster:
        cluster.start("serviceaccount-controller")
        await add_node(cluster, "n1")
        await make_pod(cluster, asking("big", "64"))
        async with scheduler(cluster) as service:
            await cluster.until(lambda: service.verdicts.of("default/big"))
            verdict = service.verdicts.of("default/big")
            assert verdict is not None
            assert verdict.refusals["n1"].reasons == ("Insufficient cpu",)
            await cluster.admin.resource(core_v1.Pod).delete("big", namespace="default", grace_period_seconds=0)
            await cluster.until(lambda: service.verdicts.of("default/big") is None)
