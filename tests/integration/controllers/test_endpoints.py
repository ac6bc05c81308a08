"""What stands behind a Service, in both lists."""

from typing import Any

from sampan.api.types import core_v1, meta_v1
from sampan.api.types.discovery_v1 import EndpointSlice
from tests.integration.controllers.objects import make_pod, pod, service, set_status
from tests.integration.controllers.world import World

NAMES = (
    "endpoints-controller",
    "endpointslice-controller",
    "endpointslice-mirroring-controller",
    "serviceaccount-controller",
    "garbage-collector-controller",
)


async def slices_of(cluster: World, name: str) -> list[EndpointSlice]:
    found = await cluster.admin.resource(EndpointSlice).list(
        namespace="default", label_selector=f"kubernetes.io/service-name={name}"
    )
    return found.items


async def ready_addresses(cluster: World, name: str) -> tuple[set[str], set[str]]:
    """As slices and as Endpoints say."""
    endpoints = await cluster.admin.resource(core_v1.Endpoints).get(name, namespace="default")
    old = {a.ip for s in endpoints.subsets or () for a in s.addresses or ()}
    new = {e.addresses[0] for one in await slices_of(cluster, name) for e in one.endpoints or () if e.conditions.ready}
    return new, old


async def test_a_service_follows_its_pods(cluster: World) -> None:
    cluster.start(*NAMES)
    await cluster.admin.resource(core_v1.Service).create(service("web", selector={"app": "web"}))

    async def empty() -> list[EndpointSlice]:
        return await slices_of(cluster, "web")

    (placeholder,) = await cluster.until(empty)
    assert not placeholder.endpoints
    assert not placeholder.ports
    assert (placeholder.metadata.generateName, placeholder.addressType) == ("web-", "IPv4")
    assert placeholder.metadata.labels == {
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
        "kubernetes.io/service-name": "web",
    }
    first = await make_pod(cluster, pod("a", labels={"app": "web"}), ip="10.244.0.2", node="n")
    await make_pod(cluster, pod("b", labels={"app": "web"}), ip="10.244.0.3", ready=False, node="n")
    await make_pod(cluster, pod("c", labels={"app": "other"}), ip="10.244.0.4", node="n")

    async def one_ready() -> bool:
        both = await ready_addresses(cluster, "web") == ({"10.244.0.2"}, {"10.244.0.2"})
        slices = await slices_of(cluster, "web")
        return both and [len(one.endpoints or ()) for one in slices] == [2]

    await cluster.until(one_ready)
    (only,) = await slices_of(cluster, "web")
    by_address: dict[str, Any] = {e.addresses[0]: e for e in only.endpoints or ()}
    assert set(by_address) == {"10.244.0.2", "10.244.0.3"}
    found = by_address["10.244.0.2"]
    assert (found.conditions.ready, found.conditions.serving, found.conditions.terminating) == (True, True, False)
    assert (found.nodeName, found.targetRef.kind, found.targetRef.name, found.targetRef.uid) == (
        "n", "Pod", "a", first.metadata.uid,
    )  # fmt: skip
    assert [(p.name, p.port, p.protocol) for p in only.ports or ()] == [("", 8080, "TCP")]
    await set_status(cluster, first, ip="10.244.0.2", ready=False)

    async def none_ready() -> bool:
        return await ready_addresses(cluster, "web") == (set(), set())

    await cluster.until(none_ready)
    endpoints = await cluster.admin.resource(core_v1.Endpoints).get("web", namespace="default")
    assert [a.ip for s in endpoints.subsets or () for a in s.notReadyAddresses or ()] == ["10.244.0.2", "10.244.0.3"]
    await cluster.admin.resource(core_v1.Service).delete("web", namespace="default")
    await cluster.gone(core_v1.Endpoints, "web", namespace="default")

    async def no_slices() -> bool:
        return not await slices_of(cluster, "web")

    await cluster.until(no_slices)


async def test_many_pods_fill_several_slices(cluster: World) -> None:
    cluster.start(*NAMES)
    await cluster.admin.resource(core_v1.Service).create(service("web", selector={"app": "web"}))
    wanted = {f"10.244.1.{i}" for i in range(1, 231)}
    for index, ip in enumerate(sorted(wanted)):
        await make_pod(cluster, pod(f"p{index}", labels={"app": "web"}), ip=ip, node="n")

    async def all_ready() -> bool:
        return await ready_addresses(cluster, "web") == (wanted, wanted)

    await cluster.until(all_ready)
    sizes = sorted(len(one.endpoints or ()) for one in await slices_of(cluster, "web"))
    assert sum(sizes) == 230
    assert len(sizes) == 3
    assert max(sizes) <= 100


async def test_endpoints_made_by_hand_are_mirrored(cluster: World) -> None:
    cluster.start(*NAMES)
    await cluster.admin.resource(core_v1.Service).create(service("outside"))
    subsets = [
        core_v1.EndpointSubset(
            addresses=[core_v1.EndpointAddress(ip="192.0.2.1"), core_v1.EndpointAddress(ip="192.0.2.2")],
            ports=[core_v1.EndpointPort(port=5432)],
        )
    ]
    await cluster.admin.resource(core_v1.Endpoints).create(
        core_v1.Endpoints(metadata=meta_v1.ObjectMeta(name="outside", namespace="default"), subsets=subsets)
    )

    async def mirrored() -> list[EndpointSlice]:
        return await slices_of(cluster, "outside")

    (one,) = await cluster.until(mirrored)
    assert {e.addresses[0] for e in one.endpoints or ()} == {"192.0.2.1", "192.0.2.2"}
    assert (one.metadata.labels or {})["endpointslice.kubernetes.io/managed-by"] == (
        "endpointslicemirroring-controller.k8s.io"
    )
    await cluster.admin.resource(core_v1.Endpoints).delete("outside", namespace="default")

    async def no_slices() -> bool:
        return not await slices_of(cluster, "outside")

    await cluster.until(no_slices)
    assert len(await slices_of(cluster, "kubernetes")) == 1, "the API server's own is left alone"
