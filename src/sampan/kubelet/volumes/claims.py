"""persistentVolumeClaim volumes: a claim, its bound volume, and the directory or device of this node it stands for."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from sampan.api.types import core_v1
from sampan.kubelet.errors import MountFault
from sampan.kubelet.node_affinity import selects
from sampan.kubelet.objects import Objects
from sampan.kubelet.seams import Events
from sampan.kubelet.volumes.host_path import check_host_path
from sampan.kubelet.volumes.ownership import set_group
from sampan.kubelet.volumes.source import Source

PROVISIONED_BY, LOCAL_PATH = "pv.kubernetes.io/provisioned-by", "sampan.io/local-path"
GROUP_OF_VOLUME = "pv.beta.kubernetes.io/gid"
ONE_POD = "ReadWriteOncePod"


class Claims:
    def __init__(self, objects: Objects, events: Events, labels: Callable[[], Mapping[str, str]], node: str) -> None:
        """`labels`: those of this node, named `node`, as they are now."""
        self._objects = objects
        self._events = events
        self._labels = labels
        self._node = node
        self._users: dict[str, set[str]] = {}  # the Pods of this node that have a volume, by its name

    async def set_up(self, pod: core_v1.Pod, volume: core_v1.Volume, *, marker: Path) -> Source:
        """`marker`: a directory that is there from the first success on; then the Pod has the volume, whatever becomes
        of its claim, and its files are its own."""
        wanted = claim_of(pod, volume)
        assert wanted is not None
        uid, namespace = pod.metadata.uid or "", pod.metadata.namespace or ""
        claim = await self._objects.get(uid, core_v1.PersistentVolumeClaim, namespace, wanted.claimName)
        had = await asyncio.to_thread(marker.exists)
        fault = objection(claim, pod, volume, had=had)
        if fault:
            raise MountFault(volume.name, fault)
        bound = await self._objects.get(uid, core_v1.PersistentVolume, "", claim.spec.volumeName or "")
        name = bound.metadata.name or volume.name
        others = self._users.get(name, set()) - {uid}
        fault = unusable(bound, claim, self._labels(), self._node, taken=bool(others))
        if fault and not had:
            raise MountFault(name, fault)
        self._users.setdefault(name, set()).add(uid)
        source = source_of(bound, readonly=bool(wanted.readOnly) or claim.spec.accessModes == ["ReadOnlyMany"])
        await asyncio.to_thread(_make_ready, name, bound, source)
        if not (had or source.readonly or source.device) and group_matters(bound):
            await self._give_to_group(pod, name, source.path, shared=bool(others))
        await asyncio.to_thread(marker.mkdir, parents=True, exist_ok=True)
        return source

    async def _give_to_group(self, pod: core_v1.Pod, name: str, path: Path, *, shared: bool) -> None:
        """The first Pod that has the volume says whose it is; the others of this node find it so."""
        context = pod.spec.securityContext
        if context is None or context.fsGroup is None:
            return
        if not shared:
            only = context.fsGroupChangePolicy == "OnRootMismatch"
            await asyncio.to_thread(set_group, path, context.fsGroup, only_if_needed=only)
            return
        owner = (await asyncio.to_thread(path.stat)).st_gid
        if owner != context.fsGroup:
            said = f"The requested fsGroup is {context.fsGroup}, but the volume {name} has GID {owner}."
            self._events.warning(pod, "AlreadyMountedVolume", f"{said} The volume may not be shareable.")

    def release(self, uid: str) -> None:
        for name, users in list(self._users.items()):
            users.discard(uid)
            if not users:
                del self._users[name]


def claim_of(pod: core_v1.Pod, volume: core_v1.Volume) -> core_v1.PersistentVolumeClaimVolumeSource | None:
    """The claim that a volume names, or the one that is made for an ephemeral volume of this Pod alone."""
    if volume.ephemeral is not None:
        return core_v1.PersistentVolumeClaimVolumeSource(claimName=f"{pod.metadata.name}-{volume.name}")
    return volume.persistentVolumeClaim


def objection(claim: core_v1.PersistentVolumeClaim, pod: core_v1.Pod, volume: core_v1.Volume, *, had: bool) -> str:
    """Why the Pod cannot have what the claim stands for; nothing when it can. Pure, as all that follows."""
    uid, namespace, name = pod.metadata.uid, pod.metadata.namespace, claim.metadata.name
    if volume.ephemeral is not None and not any(o.uid == uid for o in claim.metadata.ownerReferences or ()):
        whose = f"PVC {namespace}/{name} was not created for pod {namespace}/{pod.metadata.name}"
        return f"{whose} (pod is not owner)"
    if claim.metadata.deletionTimestamp and not had:
        return f'PVC "{namespace}/{name}" is being deleted'
    if claim.status.phase != "Bound" or not claim.spec.volumeName:
        return f'PVC "{namespace}/{name}" is not bound'
    block = claim.spec.volumeMode == "Block"
    containers = [*(pod.spec.initContainers or ()), *pod.spec.containers]
    if block and any(m.name == volume.name for c in containers for m in c.volumeMounts or ()):
        return f"volume {volume.name} has volumeMode Block, but is specified in volumeMounts"
    if not block and any(d.name == volume.name for c in containers for d in c.volumeDevices or ()):
        return f"volume {volume.name} has volumeMode Filesystem, but is specified in volumeDevices"
    return ""


def unusable(
    bound: core_v1.PersistentVolume,
    claim: core_v1.PersistentVolumeClaim,
    labels: Mapping[str, str],
    node: str,
    *,
    taken: bool,
) -> str:
    """Why the volume cannot be used for this claim, here and now."""
    reference = bound.spec.claimRef
    if reference is not None and reference.uid and reference.uid != claim.metadata.uid:
        return f"PersistentVolume {bound.metadata.name} is bound to another claim"
    required = bound.spec.nodeAffinity.required if bound.spec.nodeAffinity is not None else None
    if required is not None and not selects(required, labels, node):
        return "the node's labels are not those that the volume's node affinity asks for"
    if taken and ONE_POD in (claim.spec.accessModes or ()):
        return f"volume uses the {ONE_POD} access mode and is already in use by another pod"
    return ""


def source_of(bound: core_v1.PersistentVolume, *, readonly: bool) -> Source:
    spec, group = bound.spec, (bound.metadata.annotations or {}).get(GROUP_OF_VOLUME, "")
    place = spec.hostPath.path if spec.hostPath is not None else spec.local.path if spec.local is not None else ""
    return Source(
        path=Path(place).resolve() if spec.local is not None else Path(place),
        readonly=readonly,
        device=spec.volumeMode == "Block",
        group=int(group) if group.isdecimal() else None,
    )


def group_matters(bound: core_v1.PersistentVolume) -> bool:
    """A path of the host that somebody just named belongs to whom it belonged; a volume's directory is the Pod's."""
    return bound.spec.hostPath is None or _made_for_claims(bound)


def make_shared(path: Path) -> None:
    """A directory made for a claim is for whatever user the containers run as."""
    if not path.exists():
        path.mkdir(parents=True)
        path.chmod(0o777)


def _made_for_claims(bound: core_v1.PersistentVolume) -> bool:
    return (bound.metadata.annotations or {}).get(PROVISIONED_BY) == LOCAL_PATH


def _make_ready(name: str, bound: core_v1.PersistentVolume, source: Source) -> None:
    host, path, csi = bound.spec.hostPath, source.path, bound.spec.csi
    if csi is not None:
        raise MountFault(name, f"driver name {csi.driver} not found in the list of registered CSI drivers")
    if host is None and bound.spec.local is None:
        raise MountFault(name, "no volume plugin matched: only hostPath and local volumes can be used on this node")
    if source.device:
        if not path.is_block_device():
            raise MountFault(name, f'path "{path}" is not a block device')
    elif host is not None:
        if _made_for_claims(bound):
            make_shared(path)
        fault = check_host_path(path, host.type or "")
        if fault:
            raise MountFault(name, f"hostPath type check failed: {fault}")
    elif not path.exists():
        raise MountFault(name, f'path "{path}" does not exist')
    elif path.is_block_device():
        raise MountFault(name, f'path "{path}" is a block device: format and mount it, and name the directory')
