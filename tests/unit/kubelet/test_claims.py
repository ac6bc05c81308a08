"""Claims as volumes: bound ones, those made for one Pod alone, and what is said when there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from sampan.api.types import core_v1
from tests.unit.kubelet.world import World


def claim(name: str, *, owner: str = "", bound: bool = True) -> core_v1.PersistentVolumeClaim:
    owners = [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": owner, "controller": True}] if owner else []
    document = {
        "kind": "PersistentVolumeClaim",
        "apiVersion": "v1",
        "metadata": {"name": name, "namespace": "ns", "uid": name, "ownerReferences": owners},
        "spec": {"accessModes": ["ReadWriteOnce"], "volumeName": "pv" if bound else ""},
        "status": {"phase": "Bound" if bound else "Pending"},
    }
    return msgspec.convert(document, core_v1.PersistentVolumeClaim)


def volume(path: Path) -> core_v1.PersistentVolume:
    document = {
        "kind": "PersistentVolume",
        "apiVersion": "v1",
        "metadata": {"name": "pv", "uid": "pv"},
        "spec": {"hostPath": {"path": str(path), "type": "DirectoryOrCreate"}},
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
