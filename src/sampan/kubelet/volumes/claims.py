"""persistentVolumeClaim volumes: a claim, its bound volume, and the directory on this node that it stands for."""

import asyncio
from pathlib import Path

from sampan.api.types import core_v1
from sampan.kubelet.errors import MountFault
from sampan.kubelet.objects import Objects
from sampan.kubelet.volumes.mounts import Source
from sampan.kubelet.volumes.plugins import check_host_path, set_group

PROVISIONED_BY, LOCAL_PATH = "pv.kubernetes.io/provisioned-by", "sampan.io/local-path"


class Claims:
    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def set_up(
        self, pod: core_v1.Pod, volume: core_v1.Volume, *, group: int | None, only_if_needed: bool
    ) -> Source:
        wanted = claim_of(pod, volume)
        assert wanted is not None
        uid, namespace = pod.metadata.uid or "", pod.metadata.namespace or ""
        claim = await self._objects.get(uid, core_v1.PersistentVolumeClaim, namespace, wanted.claimName)
        if volume.ephemeral is not None and not any(o.uid == uid for o in claim.metadata.ownerReferences or ()):
            whose = f"PVC {namespace}/{wanted.claimName} was not created for pod {namespace}/{pod.metadata.name}"
            raise MountFault(volume.name, f"{whose} (pod is not owner)")
        if claim.status.phase != "Bound" or not claim.spec.volumeName:
            raise MountFault(volume.name, f'PVC "{namespace}/{wanted.claimName}" is not bound')
        bound = await self._objects.get(uid, core_v1.PersistentVolume, "", claim.spec.volumeName)
        path = await asyncio.to_thread(_directory, volume.name, bound)
        if group is not None:
            await asyncio.to_thread(set_group, path, group, only_if_needed=only_if_needed)
        only_reads = list(claim.spec.accessModes or ()) == ["ReadOnlyMany"]
        return Source(path, readonly=bool(wanted.readOnly) or only_reads)


def claim_of(pod: core_v1.Pod, volume: core_v1.Volume) -> core_v1.PersistentVolumeClaimVolumeSource | None:
    """The claim that a volume names, or the one that is made for an ephemeral volume of this Pod alone."""
    if volume.ephemeral is not None:
        return core_v1.PersistentVolumeClaimVolumeSource(claimName=f"{pod.metadata.name}-{volume.name}")
    return volume.persistentVolumeClaim


def make_shared(path: Path) -> None:
    """A directory made for a claim is for whatever user the containers run as."""
    if not path.exists():
        path.mkdir(parents=True)
        path.chmod(0o777)


def _directory(name: str, bound: core_v1.PersistentVolume) -> Path:
    spec = bound.spec
    if spec.hostPath is not None:
        path = Path(spec.hostPath.path)
        if (bound.metadata.annotations or {}).get(PROVISIONED_BY) == LOCAL_PATH:
            make_shared(path)
        fault = check_host_path(path, spec.hostPath.type or "DirectoryOrCreate")
        if fault:
            raise MountFault(name, f"hostPath type check failed: {fault}")
        return path
    if spec.local is not None:
        path = Path(spec.local.path)
        if not path.exists():
            raise MountFault(name, f'path "{path}" does not exist')
        return path
    raise MountFault(name, "no volume plugin matched: only hostPath and local volumes can be used on this node")
