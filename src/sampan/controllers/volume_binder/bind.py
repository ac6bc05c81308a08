"""The two halves of a binding, and states, as objects to write; None where they are so already. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from sampan.api.types import core_v1
from sampan.controllers.volume_binder.match import Claim, Volume, is_bound_to
from sampan.controllers.volume_binder.words import BIND_COMPLETED, BOUND_BY_CONTROLLER


def reference_to(claim: Claim) -> core_v1.ObjectReference:
    meta = claim.metadata
    return core_v1.ObjectReference(
        kind="PersistentVolumeClaim",
        apiVersion="v1",
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid,
        resourceVersion=meta.resourceVersion,
    )


def volume_to_claim(volume: Volume, claim: Claim) -> Volume | None:
    ref = volume.spec.claimRef
    if ref is not None and is_bound_to(volume, claim) and ref.uid:
        return None
    annotations = dict(volume.metadata.annotations or {})
    if ref is None:
        annotations[BOUND_BY_CONTROLLER] = "yes"
    return replace(
        volume,
        metadata=replace(volume.metadata, annotations=annotations or None),
        spec=replace(volume.spec, claimRef=reference_to(claim)),
    )


def claim_to_volume(claim: Claim, volume: Volume) -> Claim | None:
    annotations = dict(claim.metadata.annotations or {})
    if claim.spec.volumeName != volume.metadata.name:
        annotations[BOUND_BY_CONTROLLER] = "yes"
    annotations[BIND_COMPLETED] = "yes"
    if claim.spec.volumeName == volume.metadata.name and annotations == claim.metadata.annotations:
        return None
    return replace(
        claim,
        metadata=replace(claim.metadata, annotations=annotations),
        spec=replace(claim.spec, volumeName=volume.metadata.name),
    )


def unbound(volume: Volume) -> Volume:
    """What the binder reserved is free again; what people reserved stays reserved, by name."""
    annotations = dict(volume.metadata.annotations or {})
    ref = volume.spec.claimRef
    if BOUND_BY_CONTROLLER in annotations:
        del annotations[BOUND_BY_CONTROLLER]
        ref = None
    elif ref is not None:
        ref = replace(ref, uid=None)
    return replace(
        volume,
        metadata=replace(volume.metadata, annotations=annotations or None),
        spec=replace(volume.spec, claimRef=ref),
    )


def claim_phase(claim: Claim, phase: str, volume: Volume | None = None) -> Claim | None:
    modes = volume.spec.accessModes if volume is not None else None
    # A claim that grows keeps its size until the growing is done.
    capacity = (claim.status.capacity or volume.spec.capacity) if volume is not None else None
    status = claim.status
    if (status.phase, status.accessModes, status.capacity) == (phase, modes, capacity):
        return None
    return replace(claim, status=replace(status, phase=phase, accessModes=modes, capacity=capacity))


def volume_phase(volume: Volume, phase: str, now: str, message: str = "") -> Volume | None:
    """What others wrote beside the phase stays as long as the phase does."""
    status = volume.status
    if status.phase == phase:
        return None
    return replace(volume, status=replace(status, phase=phase, message=message or None, lastPhaseTransitionTime=now))
