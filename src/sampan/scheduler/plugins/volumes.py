"""The claims of a Pod and what they lead to: read once per Pod, for all the plugins about volumes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from sampan.api import quantity
from sampan.api.selectors import labels as label_selectors
from sampan.api.types import core_v1, storage_v1
from sampan.scheduler.node_info import NodeInfo
from sampan.scheduler.plugins.node_affinity import term_matches
from sampan.scheduler.pod_info import PodInfo

PLUGIN = "VolumeBinding"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
NO_PROVISIONER = "kubernetes.io/no-provisioner"
Claim = core_v1.PersistentVolumeClaim
Volume = core_v1.PersistentVolume


class Lookups(NamedTuple):
    """Where claims, volumes and classes are found (informers' stores)."""

    claim: Callable[[str, str], Claim | None]
    volume: Callable[[str], Volume | None]
    storage_class: Callable[[str], storage_v1.StorageClass | None]
    volumes: Callable[[], Iterable[Volume]]
    csi_node: Callable[[str], storage_v1.CSINode | None] = lambda _: None


class Waiting(NamedTuple):
    """A claim that is bound once its Pod has a node."""

    claim: Claim
    kind: storage_v1.StorageClass


class Claims:
    """The claims of one Pod, looked up once."""

    def __init__(self, pod: PodInfo, lookups: Lookups) -> None:
        self.bound: list[tuple[Claim, Volume]] = []
        self.waiting: list[Waiting] = []
        self.problem = ""
        self.missing = False
        for key, ephemeral in pod.claims.items():
            if not self.problem:
                self._take(pod, key.partition("/")[2], lookups, ephemeral=ephemeral)

    def __bool__(self) -> bool:
        return bool(self.bound or self.waiting or self.problem)

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
                self.bound.append((claim, found))
            return
        class_name = claim.spec.storageClassName or ""
        kind = lookups.storage_class(class_name) if class_name else None
        if kind is not None and kind.volumeBindingMode == "WaitForFirstConsumer":
            self.waiting.append(Waiting(claim, kind))
        else:
            self.problem = "pod has unbound immediate PersistentVolumeClaims"


def key_of(claim: Claim) -> str:
    return f"{claim.metadata.namespace}/{claim.metadata.name}"


def reaches(volume: Volume, node: NodeInfo) -> bool:
    affinity = volume.spec.nodeAffinity
    required = affinity.required if affinity is not None else None
    return required is None or any(term_matches(t, node) for t in required.nodeSelectorTerms)


def suits(volume: Volume, claim: Claim) -> bool:
    """Whether a free volume is one that the claim asks for."""
    if volume.metadata.deletionTimestamp or volume.status.phase != "Available" or volume.spec.claimRef is not None:
        return False
    if (volume.spec.storageClassName or "") != (claim.spec.storageClassName or ""):
        return False
    if (volume.spec.volumeMode or "Filesystem") != (claim.spec.volumeMode or "Filesystem"):
        return False
    if not set(claim.spec.accessModes or ()) <= set(volume.spec.accessModes or ()):
        return False
    if claim.spec.selector is not None:
        selector = label_selectors.from_label_selector(claim.spec.selector)
        if not selector.matches(volume.metadata.labels):
            return False
    return size_of(volume) >= quantity.value((claim.spec.resources.requests or {}).get("storage", 0))


def size_of(volume: Volume) -> int:
    return quantity.value((volume.spec.capacity or {}).get("storage", 0))
