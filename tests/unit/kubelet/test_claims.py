"""Claims as volumes: bound ones, those made for one Pod alone, and what is said when there is none."""

from __future__ import annotations

import os
import stat
import uuid
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sampan.api.types import core_v1
from sampan.kubelet.errors import ConfigFault
from sampan.kubelet.volumes.mounts import container_devices
from sampan.kubelet.volumes.source import Source
from tests.unit.kubelet.world import World


def claim(
    name: str, *, owner: str = "", bound: bool = True, meta: dict[str, Any] | None = None, **spec: Any
) -> core_v1.PersistentVolumeClaim:
    owners = [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": owner, "controller": True}] if owner else []
    document = {
        "kind": "PersistentVolumeClaim",
        "apiVersion": "v1",
        "metadata": {
            "name": name,
            "namespace": "ns",
            "uid": str(uuid.uuid4()),
            "ownerReferences": owners,
            **(meta or {}),
        },
        "spec": {"accessModes": ["ReadWriteOnce"], "volumeName": "pv" if bound else "", **spec},
        "status": {"phase": "Bound" if bound else "Pending"},
    }
    return msgspec.convert(document, core_v1.PersistentVolumeClaim)


def volume(path: Path, **spec: Any) -> core_v1.PersistentVolume:
    document = {
        "kind": "PersistentVolume",
        "apiVersion": "v1",
        "metadata": {"name": "pv", "uid": str(uuid.uuid4()), "annotations": {"pv.beta.kubernetes.io/gid": "777"}},
        "spec": {"hostPath": {"path": str(path), "type": "DirectoryOrCreate"}, **spec},
    }
    return msgspec.convert(document, core_v1.PersistentVolume)


def using(source: dict[str, Any]) -> dict[str, Any]:
    mounted = [{"name": "v", "mountPath": "/v"}]
    return {
        "volumes": [{"name": "v", **source}],
        "containers": [{"name": "a", "image": "app:1", "volumeMounts": mounted}],
    }


EPHEMERAL: dict[str, Any] = {"ephemeral": {"volumeClaimTemplate": {"spec": {"accessModes": ["ReadWriteOnce"]}}}}


@pytest.mark.parametrize("ephemeral", [False, True])
async def test_a_bound_claim_is_mounted(world: World, tmp_path: Path, ephemeral: bool) -> None:
    world.server.add(claim("p-v", owner=world.uid if ephemeral else ""))
    world.server.add(volume(tmp_path / "data"))
    async with world.running():
        world.add(using(EPHEMERAL if ephemeral else {"persistentVolumeClaim": {"claimName": "p-v"}}))
        await world.settle()
        assert world.condition("Ready") == "True"
        mounts = world.runtime.config_of(await world.container_id()).mounts
        assert ("/v", str(tmp_path / "data")) in [(m.container_path, m.host_path) for m in mounts]
        assert 777 in world.runtime.config_of(await world.container_id()).security.supplemental_groups


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (claim("p-v", owner="somebody else"), "PVC ns/p-v was not created for pod ns/p (pod is not owner)"),
        (claim("p-v", bound=False, owner="UID"), 'PVC "ns/p-v" is not bound'),
        (None, 'persistentvolumeclaim "p-v" not found'),
    ],
)
async def test_what_is_missing_is_said(world: World, made: core_v1.PersistentVolumeClaim | None, said: str) -> None:
    if made is not None:
        for owner in made.metadata.ownerReferences or ():
            owner.uid = owner.uid.replace("UID", world.uid)
        world.server.add(made)
    async with world.running():
        world.add(using(EPHEMERAL))
        await world.settle()
        assert world.pod.status.phase == "Pending"
        told = next(e for e in world.server.all(core_v1.Event, namespace="ns") if e.reason == "FailedMount")
        assert told.message == f'MountVolume.SetUp failed for volume "v" : {said}'


CLAIMED: dict[str, Any] = {"persistentVolumeClaim": {"claimName": "p-v"}}
DELETED = {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["kubernetes.io/pvc-protection"]}
ELSEWHERE = {"required": {"nodeSelectorTerms": [{"matchExpressions": [
    {"key": "kubernetes.io/hostname", "operator": "In", "values": ["elsewhere"]}]}]}}  # fmt: skip
ANOTHER = {"kind": "PersistentVolumeClaim", "namespace": "ns", "name": "p-v", "uid": "another"}


async def said(world: World) -> str:
    assert world.pod.status.phase == "Pending"
    told = [e.message for e in world.server.all(core_v1.Event, namespace="ns") if e.reason == "FailedMount"]
    return told[-1].partition(" : ")[2]


@pytest.mark.parametrize(
    ("of_claim", "of_volume", "why"),
    [
        ({"meta": DELETED}, {}, 'PVC "ns/p-v" is being deleted'),
        ({"volumeMode": "Block"}, {}, "volume v has volumeMode Block, but is specified in volumeMounts"),
        ({}, {"claimRef": ANOTHER}, "PersistentVolume pv is bound to another claim"),
        ({}, {"nodeAffinity": ELSEWHERE}, "the node's labels are not those that the volume's node affinity asks for"),
        ({}, {"hostPath": None, "local": {"path": "/no/such"}}, 'path "/no/such" does not exist'),
        ({}, {"hostPath": None}, "no volume plugin matched: only hostPath and local volumes can be used on this node"),
    ],
)
async def test_what_cannot_be_had(
    world: World, tmp_path: Path, of_claim: dict[str, Any], of_volume: dict[str, Any], why: str
) -> None:
    world.server.add(claim("p-v", **of_claim))
    world.server.add(volume(tmp_path / "data", **of_volume))
    async with world.running():
        world.add(using(CLAIMED))
        await world.settle()
        assert await said(world) == why


async def test_a_claim_that_is_deleted_stays_with_the_pod_that_has_it(world: World, tmp_path: Path) -> None:
    world.server.add(claim("p-v"))
    world.server.add(volume(tmp_path / "data"))
    async with world.running():
        world.add(using(CLAIMED))
        await world.settle()
        world.server.add(claim("p-v", meta=DELETED))
        await world.pass_time(2)
        assert world.condition("Ready") == "True"
    world.kubelet = world.new_kubelet()
    async with world.running():
        await world.pass_time(2)
        assert world.condition("Ready") == "True"
        assert "FailedMount" not in world.reasons()


async def test_a_volume_for_one_pod_alone(world: World, tmp_path: Path) -> None:
    world.server.add(claim("p-v", accessModes=["ReadWriteOncePod"]))
    world.server.add(volume(tmp_path / "data"))
    async with world.running():
        world.add(using(CLAIMED), name="first", uid="another-uid")
        await world.settle()
        world.add(using(CLAIMED))
        await world.settle()
        assert await said(world) == (
            "volume uses the ReadWriteOncePod access mode and is already in use by another pod"
        )
        await world.server.client().resource(core_v1.Pod).delete("first", namespace="ns", grace_period_seconds=0)
        await world.pass_time(5)
        assert world.condition("Ready") == "True"


@pytest.mark.parametrize(("provisioned", "mode"), [(True, 0o2770), (False, 0o700)])
async def test_the_group_gets_what_was_made_for_claims(
    world: World, tmp_path: Path, provisioned: bool, mode: int
) -> None:
    directory = tmp_path / "data"
    directory.mkdir(mode=0o700)
    made = volume(directory)
    if provisioned:
        made.metadata.annotations = {"pv.kubernetes.io/provisioned-by": "sampan.io/local-path"}
    world.server.add(claim("p-v"))
    world.server.add(made)
    async with world.running():
        world.add(using(CLAIMED) | {"securityContext": {"fsGroup": os.getgid()}})
        await world.settle()
        assert stat.S_IMODE(directory.stat().st_mode) == mode
        directory.chmod(0o700)  # what its containers do to it is theirs, also when the kubelet begins anew
    world.kubelet = world.new_kubelet()
    async with world.running():
        await world.pass_time(2)
        assert world.condition("Ready") == "True"
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_a_block_volume_is_a_device() -> None:
    container = core_v1.Container(name="a", volumeDevices=[core_v1.VolumeDevice(name="v", devicePath="/dev/xvda")])
    source = Source(path=Path("/dev/loop9"), device=True)
    (device,) = container_devices(container, {"v": source})
    assert (device.host_path, device.container_path, device.permissions) == ("/dev/loop9", "/dev/xvda", "mrw")
    (device,) = container_devices(container, {"v": msgspec.structs.replace(source, readonly=True)})
    assert device.permissions == "r"
    with pytest.raises(ConfigFault, match='cannot find block volume "v"'):
        container_devices(container, {"v": Source(path=Path("/folder"))})


async def test_two_pods_with_different_groups(world: World, tmp_path: Path) -> None:
    """The first one's counts; the second is told."""
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data")
    world.server.add(claim("p-v"))
    world.server.add(volume(tmp_path, hostPath=None, local={"path": str(tmp_path / "link")}))
    group = os.getgid()
    async with world.running():
        world.add(using(CLAIMED) | {"securityContext": {"fsGroup": group}}, name="first", uid=str(uuid.uuid4()))
        await world.settle()
        assert stat.S_IMODE((tmp_path / "data").stat().st_mode) & 0o2770 == 0o2770
        world.add(using(CLAIMED) | {"securityContext": {"fsGroup": group + 1}})
        await world.settle()
        assert (tmp_path / "data").stat().st_gid == group
        told = [e.message for e in world.server.all(core_v1.Event) if e.reason == "AlreadyMountedVolume"]
        said = f"The requested fsGroup is {group + 1}, but the volume pv has GID {group}."
        assert told == [f"{said} The volume may not be shareable."]
