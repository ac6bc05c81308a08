"""StatefulSets."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, ClassVar

from msgspec import structs

from sampan.api.types.apps_v1 import (
    RollingUpdateStatefulSetStrategy,
    StatefulSet,
    StatefulSetPersistentVolumeClaimRetentionPolicy,
    StatefulSetSpec,
)
from sampan.api.types.autoscaling_v1 import Scale
from sampan.apiserver.registry import labels, meta, scaling
from sampan.apiserver.registry.core.claim_rules import default_claim_spec
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.intorpercent import at_most_all, is_zero, validate_int_or_percent
from sampan.apiserver.registry.podspec.defaults import default_spec
from sampan.apiserver.registry.podspec.goform import form
from sampan.apiserver.registry.podspec.spec import validate_template_metadata
from sampan.apiserver.registry.podspec.warnings import template_warnings
from sampan.apiserver.registry.printing import age_of, containers
from sampan.apiserver.registry.strategy import AGE, NAME, Column, Strategy

_MUTABLE = (
    "replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy", "minReadySeconds",
)  # fmt: skip
_FROZEN = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
    "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)


class StatefulSetStrategy(Strategy):
    columns: ClassVar[tuple[Column, ...]] = (
        NAME,
        Column("Ready", description="Pods that are ready, of how many are wanted."),
        AGE,
        Column("Containers", description="Names of its Pods' containers.", priority=1),
        Column("Images", description="Images of its Pods' containers.", priority=1),
    )
    generation_fields: ClassVar[tuple[str, ...]] = ("spec",)
    reset_fields: ClassVar[tuple[str, ...]] = ("status",)
    status_reset_fields: ClassVar[tuple[str, ...]] = ("spec",)

    def set_defaults(self, obj: StatefulSet) -> None:
        spec = obj.spec
        default_spec(spec.template.spec)
        if not spec.podManagementPolicy:
            spec.podManagementPolicy = "OrderedReady"
        if not spec.updateStrategy.type:
            spec.updateStrategy.type = "RollingUpdate"
        if spec.updateStrategy.type == "RollingUpdate":
            rolling = spec.updateStrategy.rollingUpdate
            if rolling is None:
                rolling = spec.updateStrategy.rollingUpdate = RollingUpdateStatefulSetStrategy()
            if rolling.partition is None:
                rolling.partition = 0
        policy = spec.persistentVolumeClaimRetentionPolicy
        if policy is None:
            policy = spec.persistentVolumeClaimRetentionPolicy = StatefulSetPersistentVolumeClaimRetentionPolicy()
        policy.whenDeleted = policy.whenDeleted or "Retain"
        policy.whenScaled = policy.whenScaled or "Retain"
        if spec.replicas is None:
            spec.replicas = 1
        if spec.revisionHistoryLimit is None:
            spec.revisionHistoryLimit = 10
        for claim in spec.volumeClaimTemplates or ():
            claim.kind, claim.apiVersion = "PersistentVolumeClaim", "v1"
            default_claim_spec(claim.spec)
            claim.status.phase = claim.status.phase or "Pending"

    def validate_name(self, name: str, prefix: bool) -> Iterable[str]:
        """It becomes part of its Pods' hostnames."""
        return meta.label_name(name, prefix)

    def validate_spec(self, obj: StatefulSet, errors: Errors) -> None:
        spec = obj.spec
        if spec.podManagementPolicy not in ("OrderedReady", "Parallel"):
            detail = "must be 'OrderedReady' or 'Parallel'"
            errors.invalid("spec.podManagementPolicy", spec.podManagementPolicy or "", detail)
        _update_strategy(spec, errors)
        _retention(spec, errors)
        scaling.non_negative(spec.replicas, "spec.replicas", errors)
        scaling.non_negative(spec.minReadySeconds, "spec.minReadySeconds", errors)
        if spec.ordinals is not None:
            scaling.non_negative(spec.ordinals.start, "spec.ordinals.start", errors)
        scaling.validate_selector(spec.selector, "statefulset", "spec.selector", errors)
        _template(spec, errors)

    def validate_change(self, obj: StatefulSet, old: StatefulSet, errors: Errors) -> None:
        kept = {wire: getattr(obj.spec, wire) for wire in _MUTABLE}
        if structs.replace(old.spec, **kept) != obj.spec:
            errors.forbidden("spec", _FROZEN)

    def validate_status(self, obj: StatefulSet, old: StatefulSet, errors: Errors) -> None:
        counts = (
            "replicas", "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas",
            "observedGeneration", "collisionCount",
        )  # fmt: skip
        scaling.validate_counts(obj.status, counts, errors)
        scaling.not_above_replicas(obj.status, counts[1:5], errors)
        if (obj.status.availableReplicas or 0) > (obj.status.readyReplicas or 0):
            detail = "cannot be greater than status.readyReplicas"
            errors.invalid("status.availableReplicas", obj.status.availableReplicas, detail)

    def warnings(self, obj: StatefulSet, old: StatefulSet | None) -> list[str]:
        before = old.spec.template if old is not None else None
        found = template_warnings(obj.spec.template, "spec.template", before)
        if obj.spec.revisionHistoryLimit is not None and obj.spec.revisionHistoryLimit < 0:
            note = "a negative value retains all historical revisions; a value >= 0 is recommended"
            found.append(f"spec.revisionHistoryLimit: {note}")
        return found

    def cells(self, obj: StatefulSet, now: datetime) -> list[Any]:
        called, images = containers(obj.spec.template.spec)
        ready = f"{obj.status.readyReplicas or 0}/{obj.spec.replicas or 0}"
        return [obj.metadata.name or "", ready, age_of(obj, now), called, images]

    def scale_of(self, obj: StatefulSet) -> Scale:
        return scaling.make_scale(obj, scaling.selector_text(obj.spec.selector))

    def apply_scale(self, obj: StatefulSet, scale: Scale) -> None:
        obj.spec.replicas = (scale.spec.replicas or 0) if scale.spec is not None else 0


def _template(spec: StatefulSetSpec, errors: Errors) -> None:
    """Of the template only its labels and how it ends: the rest is for each Pod, which has the claims' volumes too."""
    template, path, selector = spec.template, "spec.template", spec.selector
    found = template.metadata.labels
    if not labels.is_valid(selector):
        errors.invalid("spec.selector", selector, "")
    else:
        if selector is None or (not labels.is_empty(selector) and not labels.matches(selector, found)):
            errors.invalid(f"{path}.metadata.labels", found, scaling.UNMATCHED)
        validate_template_metadata(template, path, errors)
    scaling.only_always(template, "StatefulSet", path, errors)


def _update_strategy(spec: StatefulSetSpec, errors: Errors) -> None:
    path, strategy = "spec.updateStrategy", spec.updateStrategy
    rolling = strategy.rollingUpdate
    if strategy.type == "OnDelete":
        if rolling is not None:
            errors.invalid(
                f"{path}.rollingUpdate",
                form(rolling, "RollingUpdate"),
                "only allowed for updateStrategy 'RollingUpdate'",
            )
    elif strategy.type == "RollingUpdate":
        if rolling is None:
            return
        scaling.non_negative(rolling.partition, f"{path}.rollingUpdate.partition", errors)
        if rolling.maxUnavailable is not None:
            where = f"{path}.rollingUpdate.maxUnavailable"
            validate_int_or_percent(rolling.maxUnavailable, where, errors)
            if is_zero(rolling.maxUnavailable):
                errors.invalid(where, rolling.maxUnavailable, "cannot be 0")
            at_most_all(rolling.maxUnavailable, where, errors)
    elif not strategy.type:
        errors.required(path)
    else:
        errors.invalid(path, form(strategy, "UpdateStrategy"), "must be 'RollingUpdate' or 'OnDelete'")


def _retention(spec: StatefulSetSpec, errors: Errors) -> None:
    policy = spec.persistentVolumeClaimRetentionPolicy
    if policy is None:
        return
    for wire in ("whenDeleted", "whenScaled"):
        value = getattr(policy, wire)
        if value not in ("Retain", "Delete"):
            errors.unsupported(f"spec.persistentVolumeClaimRetentionPolicy.{wire}", value or "", ("Retain", "Delete"))
