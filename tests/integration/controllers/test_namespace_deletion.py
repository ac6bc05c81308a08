"""`kubectl delete ns`: everything in it goes, and while something stays, the namespace says what."""

import time

import pytest

from sampan.api.errors import Forbidden
from sampan.api.types import core_v1, meta_v1
from tests.integration.controllers.world import World

NAMES = ("namespace-controller", "serviceaccount-controller", "root-ca-certificate-publisher-controller")


async def make_namespace(cluster: World, name: str) -> None:
    await cluster.admin.resource(core_v1.Namespace).create(core_v1.Namespace(metadata=meta_v1.ObjectMeta(name=name)))
    await cluster.until(lambda: cluster.admin.resource(core_v1.ServiceAccount).get("default", namespace=name))


async def test_an_empty_namespace_goes_at_once(cluster: World) -> None:
    cluster.start(*NAMES)
    await make_namespace(cluster, "n")
    began = time.monotonic()
    await cluster.admin.resource(core_v1.Namespace).delete("n")
    await cluster.gone(core_v1.Namespace, "n")
    assert time.monotonic() - began < 5
    assert (await cluster.admin.resource(core_v1.ConfigMap).list(namespace="n")).items == []


async def test_it_says_what_it_waits_for(cluster: World) -> None:
    cluster.start(*NAMES)
    await make_namespace(cluster, "n")
    maps, namespaces = cluster.admin.resource(core_v1.ConfigMap), cluster.admin.resource(core_v1.Namespace)
    held = meta_v1.ObjectMeta(name="held", namespace="n", finalizers=["example.com/hold"])
    await maps.create(core_v1.ConfigMap(metadata=held))
    await namespaces.delete("n")

    async def said() -> core_v1.Namespace | None:
        found = await namespaces.get("n")
        return found if found.status.conditions else None

    found = await cluster.until(said)
    assert found.status.phase == "Terminating"
    conditions = {c.type: (c.status, c.reason, c.message) for c in found.status.conditions}
    assert conditions == {
        "NamespaceDeletionDiscoveryFailure": ("False", "ResourcesDiscovered", "All resources successfully discovered"),
        "NamespaceDeletionGroupVersionParsingFailure": (
            "False",
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed",
        ),
        "NamespaceDeletionContentFailure": (
            "False",
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization",
        ),
        "NamespaceContentRemaining": (
            "True",
            "SomeResourcesRemain",
            "Some resources are remaining: configmaps. has 1 resource instances",
        ),
        "NamespaceFinalizersRemaining": (
            "True",
            "SomeFinalizersRemain",
            "Some finalizers are remaining: example.com/hold in 1 resource instances",
        ),
    }
    with pytest.raises(Forbidden):
        await maps.create(core_v1.ConfigMap(metadata=meta_v1.ObjectMeta(name="late", namespace="n")))
    await maps.patch("held", {"metadata": {"finalizers": None}}, namespace="n")
    await cluster.gone(core_v1.Namespace, "n")


async def test_a_stuck_finalizer_costs_little(cluster: World) -> None:
    cluster.start("namespace-controller")
    namespaces = cluster.admin.resource(core_v1.Namespace)
    await namespaces.create(core_v1.Namespace(metadata=meta_v1.ObjectMeta(name="n")))
    maps = cluster.admin.resource(core_v1.ConfigMap)
    held = meta_v1.ObjectMeta(name="held", namespace="n", finalizers=["example.com/hold"])
    await maps.create(core_v1.ConfigMap(metadata=held))
    await namespaces.delete("n")

    async def said() -> str | None:
        found = await namespaces.get("n")
        return found.metadata.resourceVersion if found.status.conditions else None

    revision = await cluster.until(said)
    import asyncio

    await asyncio.sleep(1.0)
    assert (await namespaces.get("n")).metadata.resourceVersion == revision, "nothing new to say, nothing written"


async def test_two_thousand_objects_are_gone_in_ten_seconds(cluster: World) -> None:
    cluster.start(*NAMES)
    await make_namespace(cluster, "n")
    maps = cluster.admin.resource(core_v1.ConfigMap)
    secrets = cluster.admin.resource(core_v1.Secret)
    for index in range(1000):
        await maps.create(core_v1.ConfigMap(metadata=meta_v1.ObjectMeta(name=f"m{index}", namespace="n")))
        await secrets.create(core_v1.Secret(metadata=meta_v1.ObjectMeta(name=f"s{index}", namespace="n")))
    began = time.monotonic()
    await cluster.admin.resource(core_v1.Namespace).delete("n")
    await cluster.gone(core_v1.Namespace, "n", timeout=20)
    assert time.monotonic() - began < 10
