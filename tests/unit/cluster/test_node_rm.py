"""`sampan node rm`: when a node may go, and what goes with it."""

from __future__ import annotations

import pytest

from sampan.api.errors import NotFound
from sampan.api.types import coordination_v1, core_v1, meta_v1
from sampan.client.fake import FakeServer
from sampan.cluster.node_commands import LEASES, StillInUse, objection, remove


def node(ready: str) -> core_v1.Node:
    condition = core_v1.NodeCondition(type="Ready", status=ready)
    return core_v1.Node(metadata=meta_v1.ObjectMeta(name="n"), status=core_v1.NodeStatus(conditions=[condition]))


def pod(name: str, *, owner: str = "", phase: str = "Running", mirror: bool = False, on: str = "n") -> core_v1.Pod:
    owners = [meta_v1.OwnerReference(apiVersion="apps/v1", kind=owner, name="o", uid="u")] if owner else None
    notes = {"kubernetes.io/config.mirror": "x"} if mirror else None
    return core_v1.Pod(
        metadata=meta_v1.ObjectMeta(name=name, namespace="default", ownerReferences=owners, annotations=notes),
        spec=core_v1.PodSpec(nodeName=on, containers=[core_v1.Container(name="c", image="i")]),
        status=core_v1.PodStatus(phase=phase),
    )


@pytest.mark.parametrize(
    ("ready", "pods", "why"),
    [
        ("Unknown", [], ""),
        ("False", [pod("d", owner="DaemonSet"), pod("m", mirror=True), pod("s", phase="Succeeded")], ""),
        ("True", [], "stop its agent"),
        ("Unknown", [pod("a"), pod("r", owner="ReplicaSet")], "default/a, default/r"),
        ("Unknown", [pod(f"p{i}") for i in range(9)], "and 6 more"),
    ],
)
def test_when_it_may_go(ready: str, pods: list[core_v1.Pod], why: str) -> None:
    said = objection(node(ready), pods)
    assert (why in said) if why else not said


async def test_what_goes_with_it() -> None:
    client = FakeServer().client()
    await client.resource(core_v1.Node).create(node("Unknown"))
    for one in (pod("left"), pod("elsewhere", on="other")):
        await client.resource(core_v1.Pod).create(one)
    lease = coordination_v1.Lease(metadata=meta_v1.ObjectMeta(name="n", namespace=LEASES))
    await client.resource(coordination_v1.Lease).create(lease)
    with pytest.raises(StillInUse):
        await remove(client, "n")
    await remove(client, "n", force=True)
    assert [p.metadata.name for p in (await client.resource(core_v1.Pod).list()).items] == ["elsewhere"]
    for kind, namespace in ((core_v1.Node, ""), (coordination_v1.Lease, LEASES)):
        with pytest.raises(NotFound):
            await client.resource(kind).get("n", namespace=namespace)
