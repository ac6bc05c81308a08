"""Which volume suits a claim. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sampan.api import quantity
from sampan.api.selectors import labels as label_selectors
from sampan.api.types import core_v1, storage_v1
from sampan.controllers.volume_binder.words import BETA_CLASS, BETA_DEFAULT_CLASS, DEFAULT_CLASS, SELECTED_NODE

Claim = core_v1.PersistentVolumeClaim
Volume = core_v1.PersistentVolume


def class_of_claim(claim: Claim) -> str:
    return (claim.metadata.annotations or {}).get(BETA_CLASS) or claim.spec.storageClassName or ""


def class_of_volume(volume: Volume) -> str:
    return (volume.metadata.annotations or {}).get(BETA_CLASS) or volume.spec.storageClassName or ""


def default_class(classes: Iterable[storage_v1.StorageClass]) -> storage_v1.StorageClass | None:
    """The newest of those that say so, as admission chooses."""
    found = [c for c in classes if _says_default(c)]
    return max(found, key=lambda c: (c.metadata.creationTimestamp or "", c.metadata.name or ""), default=None)


def _says_default(one: storage_v1.StorageClass) -> bool:
    annotations = one.metadata.annotations or {}
    return "true" in (annotations.get(DEFAULT_CLASS), annotations.get(BETA_DEFAULT_CLASS))


def waits(claim: Claim, found: storage_v1.StorageClass | None) -> bool:
    """Until a Pod that uses it has a node."""
    if SELECTED_NODE in (claim.metadata.annotations or {}):
        return False
    return found is not None and found.volumeBindingMode == "WaitForFirstConsumer"


def is_bound_to(volume: Volume, claim: Claim) -> bool:
    """Also when somebody only reserved it by name."""
    ref = volume.spec.claimRef
    if ref is None or (ref.namespace, ref.name) != (claim.metadata.namespace, claim.metadata.name):
        return False
    return not ref.uid or ref.uid == claim.metadata.uid


def storage(amounts: Mapping[str, str | int | float] | None) -> int:
    return quantity.value((amounts or {}).get("storage", 0))


def requested(claim: Claim) -> int:
    return storage(claim.spec.resources.requests)


def objection(volume: Volume, claim: Claim) -> str:
    """Why a volume that the claim asks for by name does not suit it."""
    if requested(claim) > storage(volume.spec.capacity):
        return "requested PV is too small"
    if class_of_volume(volume) != class_of_claim(claim):
        return "storageClassName does not match"
    if _mode(volume.spec.volumeMode) != _mode(claim.spec.volumeMode):
        return "incompatible volumeMode"
    if not _offers(volume, claim):
        return "incompatible accessMode"
    return ""


def best(claim: Claim, volumes: Iterable[Volume], *, waiting: bool, node: core_v1.Node | None = None) -> Volume | None:
    """One that is reserved for the claim, or the smallest free one that is large enough. A claim that waits for its
    first consumer takes only what is reserved for it."""
    selector = label_selectors.from_label_selector(claim.spec.selector) if claim.spec.selector is not None else None
    chosen: tuple[int, str, Volume] | None = None
    for volume in volumes:
        if volume.metadata.deletionTimestamp or not _fits(volume, claim):
            continue
        if volume.spec.claimRef is not None:
            if is_bound_to(volume, claim):
                return volume
            continue
        if waiting or volume.status.phase != "Available" or class_of_volume(volume) != class_of_claim(claim):
            continue
        if selector is not None and not selector.matches(volume.metadata.labels):
            continue
        if node is not None and not reaches(volume, node):
            continue
        rank = (storage(volume.spec.capacity), volume.metadata.name or "", volume)
        if chosen is None or rank[:2] < chosen[:2]:
            chosen = rank
    return chosen[2] if chosen is not None else None


def _fits(volume: Volume, claim: Claim) -> bool:
    if requested(claim) > storage(volume.spec.capacity) or not _offers(volume, claim):
        return False
    return _mode(volume.spec.volumeMode) == _mode(claim.spec.volumeMode)


def _offers(volume: Volume, claim: Claim) -> bool:
    return set(claim.spec.accessModes or ()) <= set(volume.spec.accessModes or ())


def _mode(mode: str | None) -> str:
    return mode or "Filesystem"


def reaches(volume: Volume, node: core_v1.Node) -> bool:
    """Whether the volume can be used on this node."""
    affinity = volume.spec.nodeAffinity
    if affinity is None or affinity.required is None:
        return True
    fields = {"metadata.name": node.metadata.name or ""}
    for term in affinity.required.nodeSelectorTerms:
        if not term.matchExpressions and not term.matchFields:
            continue
        labels_fit = label_selectors.from_node_selector_expressions(term.matchExpressions or ()).matches(
            node.metadata.labels
        )
        if labels_fit and label_selectors.from_node_selector_expressions(term.matchFields or ()).matches(fields):
            return True
    return False
