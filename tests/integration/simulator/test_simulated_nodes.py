"""Simulated nodes beside a real API server, scheduler and controllers: what a user sees of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
import pytest_asyncio

from sampan import simulator
from sampan.api.errors import InternalError
from sampan.api.types import batch_v1, coordination_v1, core_v1, meta_v1
from sampan.scheduler import SchedulerConfig
from sampan.scheduler import run as run_scheduler
from sampan.simulator import NodeShape, SimulatorConfig
from tests.integration.controllers.objects import make_pod, pod
from tests.integration.controllers.world import World, world

LEASES = "kube-node-lease"


@pytest_asyncio.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        made.start()
        tasks = [
            asyncio.create_task(run_scheduler(made.client("system:kube-scheduler"), SchedulerConfig())),
            asyncio.create_task(simulator.run(made.admin, SimulatorConfig())),
        ]
        try:
            yield made
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def get(cluster: World, name: str) -> core_v1.Pod:
    return await cluster.admin.resource(core_v1.Pod).get(name, namespace="default")


async def until_phase(cluster: World, name: str, phase: str) -> core_v1.Pod:
    async def reached() -> core_v1.Pod | None:
        found = await get(cluster, name)
        return found if found.status.phase == phase else None

    found: core_v1.Pod = await cluster.until(reached, why=f"{name} is not {phase}")
    return found


async def test_pods_run_where_they_are_bound_and_go(cluster: World) -> None:
    names = await simulator.add_nodes(cluster.admin, 3, NodeShape(cpu="2", zones=("a", "b")))
    assert names == ["sim-0001", "sim-0002", "sim-0003"]
    for at in range(6):
        await make_pod(cluster, pod(f"p{at}", containers=[core_v1.Container(name="a", image="nginx:1")]))
    pods = [await until_phase(cluster, f"p{at}", "Running") for at in range(6)]
    addresses = {p.status.podIP for p in pods}
    assert len(addresses) == 6
    assert {p.spec.nodeName for p in pods} == set(names)
    nodes = {n.metadata.name: n for n in await simulator.list_nodes(cluster.admin)}
    for found in pods:
        node = nodes[found.spec.nodeName]
        assert IPv4Address(found.status.podIP or "") in IPv4Network(node.spec.podCIDR or "")
        assert found.status.hostIP in [a.address for a in node.status.addresses or ()]
        status = (found.status.containerStatuses or [])[0]
        assert status.ready
        assert status.state.running is not None
        assert {c.type for c in found.status.conditions or () if c.status == "True"} == {
            "PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled",
        }  # fmt: skip
    await cluster.admin.resource(core_v1.Pod).delete("p0", namespace="default")
    await cluster.gone(core_v1.Pod, "p0", namespace="default")


async def test_nodes_are_ready_and_have_leases(cluster: World) -> None:
    [name] = await simulator.add_nodes(cluster.admin, 1)
    lease = await cluster.until(lambda: cluster.admin.resource(coordination_v1.Lease).get(name, namespace=LEASES))
    assert lease.spec.holderIdentity == name

    async def untainted() -> bool:
        node = await cluster.admin.resource(core_v1.Node).get(name)
        return not node.spec.taints

    await cluster.until(untainted)


def job(name: str, **annotations: str) -> batch_v1.Job:
    return batch_v1.Job(
        metadata=meta_v1.ObjectMeta(name=name, namespace="default"),
        spec=batch_v1.JobSpec(
            completions=3,
            parallelism=3,
            backoffLimit=0,
            template=core_v1.PodTemplateSpec(
                metadata=meta_v1.ObjectMeta(annotations=annotations),
                spec=core_v1.PodSpec(restartPolicy="Never", containers=[core_v1.Container(name="a", image="busybox")]),
            ),
        ),
    )


async def test_jobs_complete_and_fail(cluster: World) -> None:
    await simulator.add_nodes(cluster.admin, 2)
    jobs = cluster.admin.resource(batch_v1.Job)
    await jobs.create(job("good", **{"simulate.sampan.io/job-time": "200ms"}))
    await jobs.create(job("bad", **{"simulate.sampan.io/run-for": "100ms", "simulate.sampan.io/exit-code": "3"}))

    async def done(name: str, condition: str) -> bool:
        found = await jobs.get(name, namespace="default")
        return any(c.type == condition and c.status == "True" for c in found.status.conditions or ())

    await cluster.until(lambda: done("good", "Complete"), timeout=30)
    await cluster.until(lambda: done("bad", "Failed"), timeout=30)
    ended = await cluster.admin.resource(core_v1.Pod).list(namespace="default", label_selector="job-name=bad")
    statuses = [status for p in ended.items for status in p.status.containerStatuses or ()]
    assert {s.state.terminated.exitCode for s in statuses if s.state.terminated is not None} == {3}


async def test_a_silent_node_is_missed_and_comes_back(cluster: World) -> None:
    [name] = await simulator.add_nodes(cluster.admin, 1)
    nodes = cluster.admin.resource(core_v1.Node)
    await nodes.patch(name, {"metadata": {"annotations": {"simulate.sampan.io/down": "true"}}})
    conditions = [{"type": "Ready", "status": "Unknown"}]
    await nodes.patch(name, {"status": {"conditions": conditions}}, subresource="status")
    await asyncio.sleep(0.3)
    assert not await _is_ready(cluster, name)
    await nodes.patch(name, {"metadata": {"annotations": {"simulate.sampan.io/down": None}}})
    await cluster.until(lambda: _is_ready(cluster, name))


async def _is_ready(cluster: World, name: str) -> bool:
    node = await cluster.admin.resource(core_v1.Node).get(name)
    return any(c.type == "Ready" and c.status == "True" for c in node.status.conditions or ())


async def test_nothing_stays_of_nodes_that_are_removed(cluster: World) -> None:
    async with simulator.simulated(cluster.admin, 2) as names:
        assert len(names) == 2
        await make_pod(cluster, pod("p", containers=[core_v1.Container(name="a", image="nginx:1")]))
        await until_phase(cluster, "p", "Running")
    assert await simulator.list_nodes(cluster.admin) == []
    await cluster.gone(core_v1.Pod, "p", namespace="default")
    for name in names:
        await cluster.gone(coordination_v1.Lease, name, namespace=LEASES)


async def test_nobody_is_asked_for_logs_at_an_address_that_may_be_somebody_elses(cluster: World) -> None:
    await simulator.add_nodes(cluster.admin, 1)
    await make_pod(cluster, pod("p"))
    await until_phase(cluster, "p", "Running")
    with pytest.raises(InternalError, match="node sim-0001 is simulated: nothing runs there"):
        await cluster.admin.raw("GET", "/api/v1/namespaces/default/pods/p/log")
