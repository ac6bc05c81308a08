"""Killed and started again; led by one of several; quiet when nothing happens."""

import asyncio
import random
import time

from sampan.api.types import coordination_v1, core_v1, meta_v1
from sampan.api.types.discovery_v1 import EndpointSlice
from sampan.controllers import ControllersConfig, run
from tests.integration.controllers.objects import make_pod, pod, service
from tests.integration.controllers.test_volumes import bound, make_claim, make_volume
from tests.integration.controllers.world import World


async def test_killed_at_any_point_nothing_is_made_twice(cluster: World) -> None:
    names = (
        "endpointslice-controller",
        "endpoints-controller",
        "persistentvolume-binder-controller",
        "persistentvolumeclaim-protection-controller",
        "node-ipam-controller",
        "serviceaccount-controller",
        "namespace-controller",
    )
    rng = random.Random(7)
    task = cluster.start(*names)

    async def again(task: asyncio.Task[None]) -> asyncio.Task[None]:
        for _ in range(rng.randrange(0, 40)):
            await asyncio.sleep(0)  # anywhere: in the middle of a binding, between two writes
        await cluster.kill(task)
        return cluster.start(*names)

    nodes = cluster.admin.resource(core_v1.Node)
    for index in range(12):
        await cluster.admin.resource(core_v1.Service).create(service(f"s{index}", selector={"app": "x"}))
        task = await again(task)
        await make_volume(cluster, f"v{index}", "1Gi")
        await make_claim(cluster, f"c{index}", storageClassName="")
        task = await again(task)
        await nodes.create(core_v1.Node(metadata=meta_v1.ObjectMeta(name=f"n{index}")))
        await make_pod(cluster, pod(f"p{index}", labels={"app": "x"}), ip=f"10.244.0.{index + 2}", node="n0")
        task = await again(task)
    taken = {(await bound(cluster, f"c{index}")).spec.volumeName for index in range(12)}
    assert len(taken) == 12

    async def ranges() -> set[str] | None:
        found = [n.spec.podCIDR for n in (await nodes.list()).items]
        return {r for r in found if r} if all(found) else None

    assert len(await cluster.until(ranges)) == 12
    slices = cluster.admin.resource(EndpointSlice)

    async def one_each() -> bool:
        found = [s for s in (await slices.list(namespace="default")).items if s.metadata.name != "kubernetes"]
        full = all(len(s.endpoints or ()) == 12 for s in found)
        return (
            full and len({(s.metadata.labels or {})["kubernetes.io/service-name"] for s in found}) == len(found) == 12
        )

    await cluster.until(one_each)


async def test_of_two_one_leads_and_the_other_takes_over(cluster: World) -> None:
    def start(identity: str) -> asyncio.Task[None]:
        config = ControllersConfig(controllers=("serviceaccount-controller",), elect=True, identity=identity)
        return asyncio.create_task(run(cluster.controller_client, config))

    async def holder() -> str:
        lease = await cluster.admin.resource(coordination_v1.Lease).get(
            "kube-controller-manager", namespace="kube-system"
        )
        return lease.spec.holderIdentity or ""

    async def led_by(name: str) -> bool:
        return await holder() == name

    first = start("first")
    await cluster.until(lambda: led_by("first"))
    second = start("second")
    await asyncio.sleep(0.2)
    assert await holder() == "first"
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await cluster.until(lambda: led_by("second"), timeout=20)
    namespaces = cluster.admin.resource(core_v1.Namespace)
    await namespaces.create(core_v1.Namespace(metadata=meta_v1.ObjectMeta(name="n")))
    await cluster.until(lambda: cluster.admin.resource(core_v1.ServiceAccount).get("default", namespace="n"))
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)


async def test_a_quiet_cluster_costs_nothing(cluster: World) -> None:
    cluster.start()
    await cluster.until(lambda: cluster.admin.resource(core_v1.ServiceAccount).get("default", namespace="default"))
    await asyncio.sleep(1.5)
    before = time.process_time()
    found = (await cluster.admin.resource(core_v1.ConfigMap).list()).resource_version
    await asyncio.sleep(3)
    assert time.process_time() - before < 0.05, "of three seconds"
    assert (await cluster.admin.resource(core_v1.ConfigMap).list()).resource_version == found, "nothing is written"
