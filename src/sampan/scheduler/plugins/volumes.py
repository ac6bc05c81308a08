"""VolumeBinding and VolumeZone, as far as local volumes need: bound volumes lead to their nodes; unbound claims of a
class that waits for the first consumer are told which node was chosen."""

from __future__ import annotations

from collections.abc import Callable

from sampan.api.types import core_v1, storage_v1
from sampan.scheduler.node_info import NodeInfo
from sampan.scheduler.plugins.node_affinity import term_matches
from sampan.scheduler.pod_info import PodInfo
from sampan.scheduler.verdict import Refusal

PLUGIN = "VolumeBinding"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
_CONFLICT = Refusal(PLUGIN, ("node(s) had volume node affinity conflict",), final=True)


class Lookups:
    """Where claims, volumes and classes are found (informers' stores)."""

    def __init__(
        self,
        claim: Callable[[str, str], core_v1.PersistentVolumeClaim | None],
        volume: Callable[[str], core_v1.PersistentVolume | None],
        storage_class: Callable[[str], storage_v1.StorageClass | None],
        volumes: Callable[[], list[core_v1.PersistentVolume]],
    ) -> None:
        self.claim = claim
        self.volume = volume
        self.storage_class = storage_class
        self.volumes = volumes


class Claims:
    """The claims of one Pod, looked up once."""

    def __init__(self, pod: PodInfo, lookups: Lookups) -> None:
        self.bound: list[core_v1.PersistentVolume] = []
        self.waiting: list[core_v1.PersistentVolumeClaim] = []
        self.problem = ""
        self.missing = False
        for volume in pod.pod.spec.volumes or ():
            name = ""
            if volume.persistentVolumeClaim is not None:
                name = volume.persistentVolumeClaim.claimName
            elif volume.ephemeral is not None:
                name = f"{pod.name}-{volume.name}"
            if name and not self.problem:
                self._take(pod, name, lookups, ephemeral=volume.ephemeral is not None)

    def _take(self, pod: PodInfo, name: str, lookups: Lookups, *, ephemeral: bool) -> None:
        claim = lookups.claim(pod.namespace, name)
        if claim is None:
            if ephemeral:
                self.problem = f'waiting for ephemeral volume controller to create the persistentvolumeclaim "{name}"'
            else:
                self.problem = f'persistentvolumeclaim "{name}" not found'
                self.missing = True
            return
        if claim.metadata.deletionTimestamp:
            self.problem = f'persistentvolumeclaim "{name}" is being deleted'
            return
        if claim.status.phase == "Lost":
            bound = claim.spec.volumeName
            self.problem = f'persistentvolumeclaim "{name}" bound to non-existent persistentvolume "{bound}"'
            return
        if claim.spec.volumeName:
            found = lookups.volume(claim.spec.volumeName)
            if found is not None:
                self.bound.append(found)
            return
        class_name = claim.spec.storageClassName or ""
        kind = lookups.storage_class(class_name) if class_name else None
        if kind is not None and kind.volumeBindingMode == "WaitForFirstConsumer":
            self.waiting.append(claim)
        else:
            self.problem = "pod has unbound immediate PersistentVolumeClaims"

    def filter_node(self, node: NodeInfo) -> Refusal | None:
        for volume in self.bound:
            affinity = volume.spec.nodeAffinity
            required = affinity.required if affinity is not None else None
            if required is not None and not any(term_matches(t, node) for t in required.nodeSelectorTerms):
                return _CONFLICT
        for claim in self.waiting:
            chosen = (claim.metadata.annotations or {}).get(SELECTED_NODE)
            if chosen and chosen != node.name:
                return _CONFLICT
        return None
