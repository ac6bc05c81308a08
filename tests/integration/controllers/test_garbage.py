"""What becomes of dependents: background, foreground, orphan; cycles, absent and far owners."""

import asyncio

import pytest

from sampan.api.errors import NotFound, ServiceUnavailable
from sampan.api.types import core_v1, meta_v1
from sampan.client.api import Client
from sampan.client.discovery import Discovered, discover
from sampan.client.transport import TransportError
from tests.integration.controllers.world import World

GC = "garbage-collector-controller"


def reference(owner: core_v1.ConfigMap, *, block: bool = True) -> meta_v1.OwnerReference:
    meta = owner.metadata
    return meta_v1.OwnerReference(
        apiVersion="v1",
        kind="ConfigMap",
        name=meta.name or "",
        uid=meta.uid or "",
        controller=None,
        blockOwnerDeletion=block or None,
    )


async def make(
    cluster: World,
    name: str,
    *owners: meta_v1.OwnerReference,
    namespace: str = "default",
    finalizers: list[str] | None = None,
) -> core_v1.ConfigMap:
    meta = meta_v1.ObjectMeta(
        name=name, namespace=namespace, ownerReferences=list(owners) or None, finalizers=finalizers
    )
    return await cluster.admin.resource(core_v1.ConfigMap).create(core_v1.ConfigMap(metadata=meta))


async def names(cluster: World, namespace: str = "default") -> set[str]:
    found = await cluster.admin.resource(core_v1.ConfigMap).list(namespace=namespace)
    return {item.metadata.name or "" for item in found.items}


async def delete(cluster: World, name: str, policy: str) -> None:
    await cluster.admin.resource(core_v1.ConfigMap).delete(name, namespace="default", propagation_policy=policy)


async def test_dependents_of_dependents_go_in_the_background(cluster: World) -> None:
    cluster.start(GC)
    root = await make(cluster, "root")
    child = await make(cluster, "child", reference(root))
    await make(cluster, "grandchild", reference(child))
    other = await make(cluster, "other")
    await make(cluster, "shared", reference(root), reference(other))
    await make(cluster, "alone")
    await asyncio.sleep(0.1)
    assert await names(cluster) >= {"root", "child", "grandchild", "shared"}
    await delete(cluster, "root", "Background")
    await cluster.gone(core_v1.ConfigMap, "grandchild", namespace="default")
    await cluster.gone(core_v1.ConfigMap, "child", namespace="default")
    maps = cluster.admin.resource(core_v1.ConfigMap)

    async def released() -> bool:
        found = await maps.get("shared", namespace="default")
        return [r.name for r in found.metadata.ownerReferences or ()] == ["other"]

    await cluster.until(released)
    assert await names(cluster) >= {"alone", "other", "shared"}


async def test_in_the_foreground_the_owner_goes_last(cluster: World) -> None:
    cluster.start(GC)
    root = await make(cluster, "root")
    await make(cluster, "held", reference(root), finalizers=["example.com/hold"])
    await make(cluster, "free", reference(root))
    await delete(cluster, "root", "Foreground")
    await cluster.gone(core_v1.ConfigMap, "free", namespace="default")
    await asyncio.sleep(0.1)
    assert await names(cluster) >= {"root", "held"}, "the owner waits for its last dependent"
    maps = cluster.admin.resource(core_v1.ConfigMap)
    assert (await maps.get("held", namespace="default")).metadata.deletionTimestamp
    await maps.patch("held", {"metadata": {"finalizers": None}}, namespace="default")
    await cluster.gone(core_v1.ConfigMap, "held", namespace="default")
    await cluster.gone(core_v1.ConfigMap, "root", namespace="default")


async def test_a_dependent_that_does_not_block_is_not_waited_for(cluster: World) -> None:
    cluster.start(GC)
    root = await make(cluster, "root")
    await make(cluster, "held", reference(root, block=False), finalizers=["example.com/hold"])
    await delete(cluster, "root", "Foreground")
    await cluster.gone(core_v1.ConfigMap, "root", namespace="default")
    assert "held" in await names(cluster)
    await cluster.admin.resource(core_v1.ConfigMap).patch(
        "held", {"metadata": {"finalizers": None}}, namespace="default"
    )
    await cluster.gone(core_v1.ConfigMap, "held", namespace="default")


async def test_orphans_are_freed_before_the_owner_goes(cluster: World) -> None:
    cluster.start(GC)
    root = await make(cluster, "root")
    for index in range(5):
        await make(cluster, f"child-{index}", reference(root))
    await delete(cluster, "root", "Orphan")
    await cluster.gone(core_v1.ConfigMap, "root", namespace="default")
    await asyncio.sleep(0.2)
    found = await cluster.admin.resource(core_v1.ConfigMap).list(namespace="default")
    children = [m for m in found.items if (m.metadata.name or "").startswith("child-")]
    assert len(children) == 5
    assert all(not m.metadata.ownerReferences for m in children)


async def test_a_cycle_deleted_in_the_foreground_ends(cluster: World) -> None:
    cluster.start(GC)
    first = await make(cluster, "first")
    second = await make(cluster, "second", reference(first))
    refs = [{"apiVersion": "v1", "kind": "ConfigMap", "name": "second", "uid": second.metadata.uid}]
    refs[0]["blockOwnerDeletion"] = True  # type: ignore[assignment]
    await cluster.admin.resource(core_v1.ConfigMap).patch(
        "first", {"metadata": {"ownerReferences": refs}}, namespace="default"
    )
    await delete(cluster, "first", "Foreground")
    await cluster.gone(core_v1.ConfigMap, "first", namespace="default")
    await cluster.gone(core_v1.ConfigMap, "second", namespace="default")


@pytest.mark.parametrize("started", ["before", "after"])
async def test_an_owner_that_never_was_is_absent(cluster: World, started: str) -> None:
    """Also with the uid of something that is there under another name, and when it was made while nobody looked."""
    if started == "before":
        cluster.start(GC)
    root = await make(cluster, "root")
    absent = reference(root)
    absent.uid = "00000000-0000-0000-0000-000000000000"
    await make(cluster, "lost", absent)
    kept = await make(cluster, "kept", reference(root))
    if started == "after":
        cluster.start(GC)
    await cluster.gone(core_v1.ConfigMap, "lost", namespace="default")
    assert (await cluster.admin.resource(core_v1.ConfigMap).get("kept", namespace="default")) == kept


async def test_an_owner_in_another_namespace_is_none(cluster: World) -> None:
    cluster.start(GC)
    await cluster.admin.resource(core_v1.Namespace).create(core_v1.Namespace(metadata=meta_v1.ObjectMeta(name="far")))
    root = await make(cluster, "root", namespace="far")
    await make(cluster, "lost", reference(root))
    await cluster.gone(core_v1.ConfigMap, "lost", namespace="default")

    async def told() -> bool:
        events = (await cluster.admin.resource(core_v1.Event).list(namespace="default")).items
        return any(e.reason == "OwnerRefInvalidNamespace" and e.involvedObject.name == "lost" for e in events)

    await cluster.until(told)


async def test_a_namespaced_owner_of_something_without_namespace_is_left_alone(cluster: World) -> None:
    cluster.start(GC)
    root = await make(cluster, "root")
    nodes = cluster.admin.resource(core_v1.Node)
    await nodes.create(core_v1.Node(metadata=meta_v1.ObjectMeta(name="n", ownerReferences=[reference(root)])))
    await delete(cluster, "root", "Background")
    await asyncio.sleep(0.3)
    assert (await nodes.get("n")).metadata.name == "n"


async def test_a_server_that_cannot_say_what_it_serves_is_asked_again(
    cluster: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [TransportError("away"), ServiceUnavailable("starting")]

    async def failing(client: Client) -> Discovered:
        if failures:
            raise failures.pop()
        return await discover(client)

    monkeypatch.setattr("sampan.controllers.garbage.controller.discover", failing)
    monkeypatch.setattr("sampan.controllers.garbage.controller.RETRY", 0.05)
    cluster.start(GC)
    root = await make(cluster, "root")
    await make(cluster, "child", reference(root))
    await delete(cluster, "root", "Background")
    await cluster.gone(core_v1.ConfigMap, "child", namespace="default")
    assert failures == []


async def test_restarts_lose_nothing(cluster: World) -> None:
    """Killed again and again while owners go, the collector leaves neither a dependent nor an owner."""
    task = cluster.start(GC)
    roots = [await make(cluster, f"root-{i}") for i in range(6)]
    for index, root in enumerate(roots):
        for child in range(5):
            await make(cluster, f"child-{index}-{child}", reference(root))
    for index, policy in enumerate(("Background", "Foreground") * 3):
        await delete(cluster, f"root-{index}", policy)
        await asyncio.sleep(0.01 * index)
        await cluster.kill(task)
        task = cluster.start(GC)

    async def empty() -> bool:
        return not any(name.startswith(("root-", "child-")) for name in await names(cluster))

    await cluster.until(empty, timeout=30)
    with pytest.raises(NotFound):
        await cluster.admin.resource(core_v1.ConfigMap).get("root-0", namespace="default")
