"""What an update may change in a Pod, through each of its endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

from sampan.api import names
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.podspec import goform
from sampan.apiserver.registry.podspec.annotations import MIRROR
from sampan.apiserver.registry.podspec.qos import qos_class
from sampan.apiserver.registry.podspec.scheduling import validate_tolerations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sampan.api.types.core_v1 import (
        Container,
        NodeAffinity,
        NodeSelector,
        Pod,
        PodSchedulingGate,
        PodSpec,
        ResourceRequirements,
        Toleration,
    )

_UPDATABLE = ",".join((
    "`spec.containers[*].image`",
    "`spec.initContainers[*].image`",
    "`spec.activeDeadlineSeconds`",
    "`spec.tolerations` (only additions to existing tolerations)",
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
))  # fmt: skip


def validate_spec_change(new: PodSpec, old: PodSpec, errors: Errors) -> None:
    """`new` has already been validated as a spec of its own."""
    if not _same_containers(new.containers, old.containers, "spec.containers", errors):
        return
    if not _same_containers(new.initContainers or [], old.initContainers or [], "spec.initContainers", errors):
        return
    deadline, before = new.activeDeadlineSeconds, old.activeDeadlineSeconds
    if deadline is not None:
        if not 0 <= deadline <= 2**31 - 1:
            errors.invalid("spec.activeDeadlineSeconds", deadline, names.range_error(0, 2**31 - 1))
            return
        if before is not None and before < deadline:
            errors.invalid("spec.activeDeadlineSeconds", deadline, "must be less than or equal to previous value")
            return
    elif before is not None:
        errors.invalid("spec.activeDeadlineSeconds", None, "must not update from a positive integer to nil value")
    if new.tolerations != old.tolerations:
        _only_added(new.tolerations or [], old.tolerations or [], errors)
    _only_removed_gates(new.schedulingGates or [], old.schedulingGates or [], errors)
    if new == old:
        return
    munged = _without_mutable(new, old)
    if old.schedulingGates:
        _gated(munged, old, errors)
    if munged != old:
        diff = goform.difference(old, munged, "PodSpec")
        if diff:
            errors.forbidden("spec", f"pod updates may not change fields other than {_UPDATABLE}\n{diff}")


def _same_containers(new: Sequence[Container], old: Sequence[Container], path: str, errors: Errors) -> bool:
    if len(new) != len(old):
        errors.forbidden(path, "pod updates may not add or remove containers")
        return False
    for index, container in enumerate(new):
        image = container.image or ""
        if not image:
            errors.required(f"{path}[{index}].image")
        if image.strip() != image:
            errors.invalid(f"{path}[{index}].image", image, "must not have leading or trailing whitespace")
    return True


def _only_added(new: Sequence[Toleration], old: Sequence[Toleration], errors: Errors) -> None:
    for toleration in old:
        if not any(
            structs.replace(toleration, tolerationSeconds=candidate.tolerationSeconds) == candidate for candidate in new
        ):
            detail = "existing toleration can not be modified except its tolerationSeconds"
            errors.forbidden("spec.tolerations", detail)
            return
    validate_tolerations(new, "spec.tolerations", errors)


def _only_removed_gates(new: Sequence[PodSchedulingGate], old: Sequence[PodSchedulingGate], errors: Errors) -> None:
    known = {gate.name for gate in old}
    for index, gate in enumerate(new):
        if gate.name not in known:
            detail = f"only deletion is allowed, but found new scheduling gate '{gate.name}'"
            errors.forbidden(f"spec.schedulingGates[{index}].name", detail)


def _with_images(new: Sequence[Container], old: Sequence[Container]) -> list[Container]:
    return [structs.replace(n, image=o.image) for n, o in zip(new, old, strict=True)]


def _without_mutable(new: PodSpec, old: PodSpec) -> PodSpec:
    """The new spec with the old one's values wherever a change is allowed."""
    munged = structs.replace(
        new,
        containers=_with_images(new.containers, old.containers),
        activeDeadlineSeconds=old.activeDeadlineSeconds,
        schedulingGates=old.schedulingGates,
        tolerations=old.tolerations,
    )
    if new.initContainers:
        munged.initContainers = _with_images(new.initContainers, old.initContainers or [])
    grace = old.terminationGracePeriodSeconds
    if grace is not None and grace < 0 and new.terminationGracePeriodSeconds == 1:
        munged.terminationGracePeriodSeconds = grace
    return munged


def _gated(munged: PodSpec, old: PodSpec, errors: Errors) -> None:
    """A Pod that waits at a gate may still be narrowed down."""
    if munged.nodeSelector != old.nodeSelector:
        new_selector = munged.nodeSelector or {}
        for key, value in (old.nodeSelector or {}).items():
            if new_selector.get(key) != value:
                detail = "only additions are allowed (no mutations or deletions)"
                errors.invalid("spec.nodeSelector", munged.nodeSelector, detail)
                break
        munged.nodeSelector = old.nodeSelector
    before = old.affinity.nodeAffinity if old.affinity is not None else None
    after = munged.affinity.nodeAffinity if munged.affinity is not None else None
    if before == after:
        return
    _affinity_change(after, before, "spec.affinity.nodeAffinity", errors)
    if munged.affinity is None:
        munged.affinity = old.affinity
    elif old.affinity is None and munged.affinity.podAffinity is None and munged.affinity.podAntiAffinity is None:
        munged.affinity = None
    else:
        munged.affinity = structs.replace(munged.affinity, nodeAffinity=before)


def _affinity_change(new: NodeAffinity | None, old: NodeAffinity | None, path: str, errors: Errors) -> None:
    if old is None or old.requiredDuringSchedulingIgnoredDuringExecution is None:
        return
    required = f"{path}.requiredDuringSchedulingIgnoredDuringExecution"
    before: NodeSelector = old.requiredDuringSchedulingIgnoredDuringExecution
    after = new.requiredDuringSchedulingIgnoredDuringExecution if new is not None else None
    if not before.nodeSelectorTerms and after is not None:
        return
    if after is None or len(after.nodeSelectorTerms) != len(before.nodeSelectorTerms):
        detail = "no additions/deletions to non-empty NodeSelectorTerms list are allowed"
        shown = after.nodeSelectorTerms if after is not None else None
        errors.invalid(f"{required}.nodeSelectorTerms", shown, detail)
        return
    for index, (one, other) in enumerate(zip(after.nodeSelectorTerms, before.nodeSelectorTerms, strict=True)):
        for wire in ("matchExpressions", "matchFields"):
            has, had = getattr(one, wire) or [], getattr(other, wire) or []
            if has[: len(had)] != had:
                where = f"{required}.nodeSelectorTerms[{index}]"
                errors.invalid(where, one, "only additions are allowed (no mutations or deletions)")
                break


# --- ephemeral containers -------------------------------------------------------------------------------------------


def validate_ephemeral_change(new: Pod, old: Pod, errors: Errors) -> None:
    if MIRROR in (old.metadata.annotations or ()):
        errors.clear()
        errors.forbidden("", "static pods do not support ephemeral containers")
        return
    now = {container.name: container for container in new.spec.ephemeralContainers or ()}
    for container in old.spec.ephemeralContainers or ():
        current = now.get(container.name)
        if current is None:
            detail = f'existing ephemeral containers "{container.name}" may not be removed\n'
            errors.forbidden("spec.ephemeralContainers", detail)
        elif current != container:
            diff = goform.difference(container, current, "EphemeralContainer")
            detail = f'existing ephemeral containers "{container.name}" may not be changed\n{diff}'
            errors.forbidden("spec.ephemeralContainers", detail)


# --- resize ---------------------------------------------------------------------------------------------------------


def keep_only_resize(new: Pod, old: Pod) -> None:
    """The resize endpoint writes resources and resize policies, nothing else."""
    spec = structs.replace(old.spec)
    spec.containers = _resized(new.spec.containers, old.spec.containers)
    if old.spec.initContainers:
        spec.initContainers = _resized(new.spec.initContainers or [], old.spec.initContainers)
    if old.spec.resources is not None or new.spec.resources is not None:
        spec.resources = new.spec.resources
    new.spec = spec
    new.status = old.status


def _resized(new: Sequence[Container], old: Sequence[Container]) -> list[Container]:
    if [c.name for c in new] != [c.name for c in old]:
        return list(old)
    return [
        structs.replace(before, resources=after.resources, resizePolicy=after.resizePolicy)
        for after, before in zip(new, old, strict=True)
    ]


def validate_resize(new: Pod, old: Pod, errors: Errors) -> None:
    refused = ""
    if MIRROR in (old.metadata.annotations or ()):
        refused = "static pods cannot be resized"
    elif old.spec.os is not None and old.spec.os.name == "windows":
        refused = "windows pods cannot be resized"
    if refused:
        errors.clear()
        errors.forbidden("", refused)
        return
    if (old.status.qosClass or qos_class(old.spec)) != qos_class(new.spec):
        errors.invalid("spec", old.status.qosClass or "", "Pod QOS Class may not change as a result of resizing")
    running = next((s for s in old.status.containerStatuses or () if s.state.running is not None), None)
    if running is not None and running.resources is None:
        errors.forbidden("spec", "Pod running on node without support for resize")
    _kept(new.spec.resources, old.spec.resources, "spec.resources", errors)
    for index, (after, before) in enumerate(
        zip(new.spec.initContainers or (), old.spec.initContainers or (), strict=True)
    ):
        if before.restartPolicy == "Always":
            _kept(after.resources, before.resources, f"spec.initContainers[{index}].resources", errors)
            if _beyond_cpu_memory(after.resources, before.resources) or after.resizePolicy != before.resizePolicy:
                errors.forbidden("spec", "only cpu and memory resources for sidecar containers are mutable")
        elif after != before:
            errors.forbidden("spec", "resources for non-sidecar init containers are immutable")
    for index, (after, before) in enumerate(zip(new.spec.containers, old.spec.containers, strict=True)):
        _kept(after.resources, before.resources, f"spec.containers[{index}].resources", errors)
        if _beyond_cpu_memory(after.resources, before.resources) or after.resizePolicy != before.resizePolicy:
            errors.forbidden("spec", "only cpu and memory resources are mutable")


def _beyond_cpu_memory(new: ResourceRequirements, old: ResourceRequirements) -> bool:
    def rest(amounts: dict[str, str | int | float] | None) -> dict[str, str | int | float]:
        return {name: amount for name, amount in (amounts or {}).items() if name not in ("cpu", "memory")}

    return rest(new.limits) != rest(old.limits) or rest(new.requests) != rest(old.requests) or new.claims != old.claims


def _kept(new: ResourceRequirements | None, old: ResourceRequirements | None, path: str, errors: Errors) -> None:
    for wire in ("requests", "limits"):
        if set(getattr(old, wire, None) or ()) - set(getattr(new, wire, None) or ()):
            errors.forbidden(f"{path}.{wire}", f"resource {wire} cannot be removed")


# --- binding --------------------------------------------------------------------------------------------------------


def validate_binding(kind: str | None, name: str | None, errors: Errors) -> None:
    """The target of a Binding."""
    if kind and kind != "Node":
        errors.unsupported("target.kind", kind, ("Node", "<empty>"))
    if not name:
        errors.required("target.name")
