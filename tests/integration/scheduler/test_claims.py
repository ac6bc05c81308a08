"""Pods and the volumes that wait for them: scheduler and volume controller agree by way of the API alone."""

from __future__ import annotations

from sampan.api.types import core_v1, meta_v1, storage_v1
from sampan.controllers.volume_binder.local_path import storage_class
from tests.integration.controllers.objects import make_pod, pod
from tests.integration.controllers.test_volumes import NAMES, make_claim
from tests.integration.controllers.world import World
from tests.integration.scheduler.test_placing import add_node, cluster, events, placed

__all__ = ["cluster"]


def using(name: str, claim: str) -> core_v1.Pod:
    source = core_v1.PersistentVolumeClaimVolumeSource(claimName=claim)
    return pod(name, volumes=[core_v1.Volume(name="v", persistentVolumeClaim=source)])


async def add_named(cluster: World, name: str) -> None:
    await add_node(cluster, name)
    await cluster.admin.resource(core_v1.Node).patch(name, {"metadata": {"labels": {"kubernetes.io/hostname": name}}})


async def volume_of(cluster: World, claim: str) -> core_v1.PersistentVolume:
    found = await cluster.admin.resource(core_v1.PersistentVolumeClaim).get(claim, namespace="default")
    return await cluster.admin.resource(core_v1.PersistentVolume).get(found.spec.volumeName or "")


async def test_a_claim_is_bound_where_its_pod_goes(cluster: World) -> None:
    cluster.start(*NAMES)
    await cluster.admin.resource(storage_v1.StorageClass).create(storage_class())
    await add_named(cluster, "n1")
    await make_claim(cluster, "data")
    await make_pod(cluster, using("p", "data"))
    assert await placed(cluster, "p") == "n1"
    assert (await volume_of(cluster, "data")).spec.nodeAffinity is not None
    await add_named(cluster, "n2")
    for at in range(4):
        await make_pod(cluster, using(f"q{at}", "data"))
    assert {await placed(cluster, f"q{at}") for at in range(4)} == {"n1"}


async def test_static_local_volumes_go_to_as_many_pods_as_there_are(cluster: World) -> None:
    cluster.start(*NAMES)
    kind = storage_v1.StorageClass(
        metadata=storage_class().metadata, provisioner="kubernetes.io/no-provisioner",
        volumeBindingMode="WaitForFirstConsumer",
    )  # fmt: skip
    kind.metadata.name, kind.metadata.annotations = "static", None
    await cluster.admin.resource(storage_v1.StorageClass).create(kind)
    for name in ("n1", "n2"):
        await add_named(cluster, name)
        await cluster.admin.resource(core_v1.PersistentVolume).create(_local(f"pv-{name}", name))
    for at in range(3):
        await make_claim(cluster, f"c{at}", storageClassName="static")
    for at in range(3):
        await make_pod(cluster, using(f"p{at}", f"c{at}"))
    await cluster.until(lambda: _placed_count(cluster, 2))
    refused = [at for at in range(3) if not await _node(cluster, f"p{at}")]
    assert len(refused) == 1
    said = await cluster.until(lambda: events(cluster, f"p{refused[0]}", "FailedScheduling"))
    assert "2 node(s) didn't find available persistent volumes to bind" in said[0]
    await cluster.admin.resource(core_v1.PersistentVolume).create(_local("pv-more", "n1"))
    assert await placed(cluster, f"p{refused[0]}") == "n1"


def _local(name: str, node: str) -> core_v1.PersistentVolume:
    wanted = core_v1.NodeSelectorRequirement(key="kubernetes.io/hostname", operator="In", values=[node])
    terms = [core_v1.NodeSelectorTerm(matchExpressions=[wanted])]
    return core_v1.PersistentVolume(
        metadata=meta_v1.ObjectMeta(name=name),
        spec=core_v1.PersistentVolumeSpec(
            accessModes=["ReadWriteOnce"],
            capacity={"storage": "1Gi"},
            storageClassName="static",
            local=core_v1.LocalVolumeSource(path=f"/mnt/{name}"),
            nodeAffinity=core_v1.VolumeNodeAffinity(required=core_v1.NodeSelector(nodeSelectorTerms=terms)),
        ),
    )


async def _node(cluster: World, name: str) -> str:
    return (await cluster.admin.resource(core_v1.Pod).get(name, namespace="default")).spec.nodeName or ""


async def _placed_count(cluster: World, count: int) -> bool:
    return sum([bool(await _node(cluster, f"p{at}")) for at in range(3)]) == count
