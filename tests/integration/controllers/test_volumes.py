"""Claims and volumes: static ones, the local class, reclaiming, protection."""

from typing import Any

from sampan.api.types import core_v1, meta_v1, storage_v1
from sampan.controllers.volume_binder.local_path import storage_class
from tests.integration.controllers.objects import make_pod, pod
from tests.integration.controllers.world import World

NAMES = (
    "persistentvolume-binder-controller",
    "persistentvolumeclaim-protection-controller",
    "persistentvolume-protection-controller",
    "ephemeral-volume-controller",
    "serviceaccount-controller",
    "garbage-collector-controller",
)
SELECTED = {"metadata": {"annotations": {"volume.kubernetes.io/selected-node": "n"}}}


async def make_claim(cluster: World, name: str, size: str = "1Gi", **spec: Any) -> core_v1.PersistentVolumeClaim:
    claim = core_v1.PersistentVolumeClaim(
        metadata=meta_v1.ObjectMeta(name=name, namespace="default"),
        spec=core_v1.PersistentVolumeClaimSpec(
            accessModes=["ReadWriteOnce"],
            resources=core_v1.VolumeResourceRequirements(requests={"storage": size}),
            **spec,
        ),
    )
    return await cluster.admin.resource(core_v1.PersistentVolumeClaim).create(claim)


async def make_volume(cluster: World, name: str, size: str, **spec: Any) -> core_v1.PersistentVolume:
    volume = core_v1.PersistentVolume(
        metadata=meta_v1.ObjectMeta(name=name),
        spec=core_v1.PersistentVolumeSpec(
            accessModes=["ReadWriteOnce"],
            capacity={"storage": size},
            hostPath=core_v1.HostPathVolumeSource(path=f"/tmp/{name}"),
            **spec,
        ),
    )
    return await cluster.admin.resource(core_v1.PersistentVolume).create(volume)


async def bound(cluster: World, name: str) -> core_v1.PersistentVolumeClaim:
    claims = cluster.admin.resource(core_v1.PersistentVolumeClaim)

    async def is_bound() -> core_v1.PersistentVolumeClaim | None:
        found = await claims.get(name, namespace="default")
        return found if found.status.phase == "Bound" else None

    found: core_v1.PersistentVolumeClaim = await cluster.until(is_bound)
    return found


async def events_of(cluster: World, name: str) -> set[tuple[str, str, str]]:
    events = (await cluster.admin.resource(core_v1.Event).list(namespace="default")).items
    return {(e.type or "", e.reason or "", e.message or "") for e in events if e.involvedObject.name == name}


async def wait_event(cluster: World, name: str, event: tuple[str, str, str]) -> None:
    async def said() -> bool:
        return event in await events_of(cluster, name)

    await cluster.until(said, why=str(event))


async def phase(cluster: World, name: str) -> str:
    return (await cluster.admin.resource(core_v1.PersistentVolume).get(name)).status.phase or ""


async def test_the_smallest_volume_that_is_large_enough_is_taken(cluster: World) -> None:
    for name, size in (("large", "10Gi"), ("fits", "2Gi"), ("small", "500Mi")):
        await make_volume(cluster, name, size)
    cluster.start(*NAMES)

    async def available() -> bool:
        return [await phase(cluster, n) for n in ("large", "fits", "small")] == ["Available"] * 3

    await cluster.until(available)
    await make_claim(cluster, "c", storageClassName="")
    found = await bound(cluster, "c")
    assert found.spec.volumeName == "fits"
    assert found.status.capacity == {"storage": "2Gi"}
    assert found.status.accessModes == ["ReadWriteOnce"]
    annotations = found.metadata.annotations or {}
    assert (
        annotations["pv.kubernetes.io/bind-completed"] == annotations["pv.kubernetes.io/bound-by-controller"] == "yes"
    )
    volume = await cluster.admin.resource(core_v1.PersistentVolume).get("fits")
    assert volume.status.phase == "Bound"
    assert volume.spec.claimRef is not None
    assert volume.spec.claimRef.uid == found.metadata.uid
    await cluster.admin.resource(core_v1.PersistentVolumeClaim).delete("c", namespace="default")
    await cluster.gone(core_v1.PersistentVolumeClaim, "c", namespace="default")

    async def released() -> bool:
        return await phase(cluster, "fits") == "Released"

    await cluster.until(released)  # Retain: the data stays, and nobody else gets it


async def test_two_claims_never_share_a_volume(cluster: World) -> None:
    cluster.start(*NAMES)
    for index in range(10):
        await make_claim(cluster, f"c{index}", storageClassName="")
    for index in range(10):
        await make_volume(cluster, f"v{index}", "1Gi")
    taken = {(await bound(cluster, f"c{index}")).spec.volumeName for index in range(10)}
    assert taken == {f"v{index}" for index in range(10)}


async def test_a_claim_without_any_chance_says_why(cluster: World) -> None:
    cluster.start(*NAMES)
    await make_claim(cluster, "c")
    why = "no persistent volumes available for this claim and no storage class is set"
    await wait_event(cluster, "c", ("Normal", "FailedBinding", why))
    await make_claim(cluster, "other", storageClassName="absent")
    await wait_event(
        cluster, "other", ("Warning", "ProvisioningFailed", 'storageclass.storage.k8s.io "absent" not found')
    )


async def test_the_local_class_waits_for_the_first_pod_and_removes_its_data(cluster: World) -> None:
    await cluster.admin.resource(storage_v1.StorageClass).create(storage_class())
    await cluster.admin.resource(core_v1.Node).create(core_v1.Node(metadata=meta_v1.ObjectMeta(name="n")))
    await cluster.admin.resource(core_v1.Node).create(core_v1.Node(metadata=meta_v1.ObjectMeta(name="m")))
    cluster.start(*NAMES)
    await make_claim(cluster, "c")
    waits = ("Normal", "WaitForFirstConsumer", "waiting for first consumer to be created before binding")
    await wait_event(cluster, "c", waits)
    claims = cluster.admin.resource(core_v1.PersistentVolumeClaim)
    await claims.patch("c", SELECTED, namespace="default")  # the scheduler's part
    found = await bound(cluster, "c")
    assert found.spec.storageClassName == "local-path"
    name = found.spec.volumeName or ""
    assert name == f"pvc-{found.metadata.uid}"
    done = f"Successfully provisioned volume {name} using sampan.io/local-path"
    await wait_event(cluster, "c", ("Normal", "ProvisioningSucceeded", done))
    volume = await cluster.admin.resource(core_v1.PersistentVolume).get(name)
    assert volume.spec.hostPath is not None
    assert volume.spec.hostPath.type == "DirectoryOrCreate"
    affinity = volume.spec.nodeAffinity
    assert affinity is not None
    assert affinity.required is not None
    expressions = affinity.required.nodeSelectorTerms[0].matchExpressions or []
    assert [(e.key, e.operator, e.values) for e in expressions] == [("kubernetes.io/hostname", "In", ["n"])]
    data = cluster.volumes / f"{name}_default_c"
    assert volume.spec.hostPath.path == str(data)
    data.mkdir(parents=True)
    (data / "file").write_text("x")
    await claims.delete("c", namespace="default")
    await cluster.gone(core_v1.PersistentVolume, name)
    assert not data.exists()
    assert cluster.volumes.exists()


async def test_a_claim_in_use_stays_until_its_pod_is_gone(cluster: World) -> None:
    cluster.start(*NAMES)
    await make_volume(cluster, "v", "1Gi")
    await make_claim(cluster, "c", storageClassName="")
    await bound(cluster, "c")
    source = core_v1.PersistentVolumeClaimVolumeSource(claimName="c")
    using = pod("p", volumes=[core_v1.Volume(name="data", persistentVolumeClaim=source)])
    await make_pod(cluster, using, ip="10.244.0.2", node="n")
    claims = cluster.admin.resource(core_v1.PersistentVolumeClaim)
    await claims.delete("c", namespace="default")
    import asyncio

    await asyncio.sleep(0.3)
    held = await claims.get("c", namespace="default")
    assert held.metadata.finalizers == ["kubernetes.io/pvc-protection"]
    assert held.metadata.deletionTimestamp
    await cluster.admin.resource(core_v1.PersistentVolume).delete("v")
    await asyncio.sleep(0.2)
    assert await phase(cluster, "v") == "Bound", "a bound volume stays as well"
    await cluster.admin.resource(core_v1.Pod).delete("p", namespace="default", grace_period_seconds=0)
    await cluster.gone(core_v1.PersistentVolumeClaim, "c", namespace="default")
    await cluster.gone(core_v1.PersistentVolume, "v")


async def test_an_ephemeral_claim_lives_as_long_as_its_pod(cluster: World) -> None:
    cluster.start(*NAMES)
    template = core_v1.PersistentVolumeClaimTemplate(
        spec=core_v1.PersistentVolumeClaimSpec(
            accessModes=["ReadWriteOnce"],
            resources=core_v1.VolumeResourceRequirements(requests={"storage": "1Gi"}),
        )
    )
    volume = core_v1.Volume(name="scratch", ephemeral=core_v1.EphemeralVolumeSource(volumeClaimTemplate=template))
    await make_pod(cluster, pod("p", volumes=[volume]))
    claims = cluster.admin.resource(core_v1.PersistentVolumeClaim)
    found = await cluster.until(lambda: claims.get("p-scratch", namespace="default"))
    assert [(r.kind, r.name, r.controller) for r in found.metadata.ownerReferences or ()] == [("Pod", "p", True)]
    await cluster.admin.resource(core_v1.Pod).delete("p", namespace="default", grace_period_seconds=0)
    await cluster.gone(core_v1.PersistentVolumeClaim, "p-scratch", namespace="default")


async def test_a_lost_volume_is_said(cluster: World) -> None:
    cluster.start(*NAMES)
    await make_volume(cluster, "v", "1Gi")
    await make_claim(cluster, "c", storageClassName="")
    await bound(cluster, "c")
    volumes = cluster.admin.resource(core_v1.PersistentVolume)
    await volumes.delete("v")
    await volumes.patch("v", {"metadata": {"finalizers": None}})
    said = "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
    await wait_event(cluster, "c", ("Warning", "ClaimLost", said))


async def test_a_claim_of_the_local_class_grows(cluster: World) -> None:
    await cluster.admin.resource(storage_v1.StorageClass).create(storage_class())
    await cluster.admin.resource(core_v1.Node).create(core_v1.Node(metadata=meta_v1.ObjectMeta(name="n")))
    cluster.start(*NAMES)
    await make_claim(cluster, "c")
    claims = cluster.admin.resource(core_v1.PersistentVolumeClaim)
    await claims.patch("c", SELECTED, namespace="default")
    name = (await bound(cluster, "c")).spec.volumeName or ""
    await claims.patch("c", {"spec": {"resources": {"requests": {"storage": "3Gi"}}}}, namespace="default")

    async def has_grown() -> bool:
        claim = await claims.get("c", namespace="default")
        volume = await cluster.admin.resource(core_v1.PersistentVolume).get(name)
        return claim.status.capacity == volume.spec.capacity == {"storage": "3Gi"}

    await cluster.until(has_grown)
    await wait_event(cluster, "c", ("Normal", "VolumeResizeSuccessful", "Resize volume succeeded"))
