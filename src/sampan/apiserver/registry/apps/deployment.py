"""Deployments."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sampan.api.types.apps_v1 import Deployment, DeploymentSpec, RollingUpdateDeployment
from sampan.api.types.apps_v1 import DeploymentStrategy as Rollout
from sampan.api.types.autoscaling_v1 import Scale
from sampan.apiserver.registry import meta, scaling
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.intorpercent import at_most_all, is_zero, validate_int_or_percent
from sampan.apiserver.registry.podspec.defaults import default_spec
from sampan.apiserver.registry.podspec.warnings import template_warnings
from sampan.apiserver.registry.printing import age_of, containers, format_selector
from sampan.apiserver.registry.strategy import AGE, NAME, Column, Strategy


class DeploymentStrategy(Strategy):
    columns: ClassVar[tuple[Column, ...]] = (
        NAME,
        Column("Ready", description="Pods that are ready, of how many are wanted."),
        Column("Up-to-date", description="Pods that have the newest template."),
        Column("Available", description="Pods that have been ready long enough."),
        AGE,
        Column("Containers", description="Names of its Pods' containers.", priority=1),
        Column("Images", description="Images of its Pods' containers.", priority=1),
        Column("Selector", description="How it finds its Pods.", priority=1),
    )
    generation_fields: ClassVar[tuple[str, ...]] = ("spec",)
    reset_fields: ClassVar[tuple[str, ...]] = ("status",)
    status_reset_fields: ClassVar[tuple[str, ...]] = ("spec",)

    def set_defaults(self, obj: Deployment) -> None:
        spec = obj.spec
        default_spec(spec.template.spec)
        if spec.replicas is None:
            spec.replicas = 1
        if not spec.strategy.type:
            spec.strategy.type = "RollingUpdate"
        if spec.strategy.type == "RollingUpdate":
            rolling = spec.strategy.rollingUpdate
            if rolling is None:
                rolling = spec.strategy.rollingUpdate = RollingUpdateDeployment()
            if rolling.maxUnavailable is None:
                rolling.maxUnavailable = "25%"
            if rolling.maxSurge is None:
                rolling.maxSurge = "25%"
        if spec.revisionHistoryLimit is None:
            spec.revisionHistoryLimit = 10
        if spec.progressDeadlineSeconds is None:
            spec.progressDeadlineSeconds = 600

    def count_generation(self, obj: Deployment, old: Deployment) -> None:
        """Annotations count too: they are copied to the ReplicaSets."""
        changed = obj.spec != old.spec or (obj.metadata.annotations or {}) != (old.metadata.annotations or {})
        obj.metadata.generation = (old.metadata.generation or 0) + (1 if changed else 0)

    def prepare_for_status_update(self, obj: Deployment, old: Deployment) -> None:
        super().prepare_for_status_update(obj, old)
        obj.metadata.labels = old.metadata.labels

    def validate_spec(self, obj: Deployment, errors: Errors) -> None:
        spec = obj.spec
        scaling.non_negative(spec.replicas, "spec.replicas", errors)
        scaling.validate_selector(spec.selector, "deployment", "spec.selector", errors)
        scaling.validate_workload_template(spec.template, spec.selector, "ReplicaSet", "spec.template", errors)
        _rollout(spec.strategy, errors)
        scaling.non_negative(spec.minReadySeconds, "spec.minReadySeconds", errors)
        scaling.non_negative(spec.revisionHistoryLimit, "spec.revisionHistoryLimit", errors)
        _progress(spec, errors)

    def validate_change(self, obj: Deployment, old: Deployment, errors: Errors) -> None:
        if obj.spec.selector != old.spec.selector:
            errors.invalid("spec.selector", obj.spec.selector, meta.IMMUTABLE)

    def validate_status(self, obj: Deployment, old: Deployment, errors: Errors) -> None:
        counts = (
            "observedGeneration", "replicas", "updatedReplicas", "readyReplicas", "availableReplicas",
            "unavailableReplicas", "collisionCount",
        )  # fmt: skip
        scaling.validate_counts(obj.status, counts, errors)
        scaling.not_above_replicas(obj.status, ("updatedReplicas", "readyReplicas", "availableReplicas"), errors)
        scaling.available_within_ready(obj.status, errors)
        if (obj.status.collisionCount or 0) < (old.status.collisionCount or 0):
            errors.invalid("status.collisionCount", obj.status.collisionCount or 0, "cannot be decremented")

    def warnings(self, obj: Deployment, old: Deployment | None) -> list[str]:
        return template_warnings(obj.spec.template, "spec.template", old.spec.template if old is not None else None)

    def cells(self, obj: Deployment, now: datetime) -> list[Any]:
        called, images = containers(obj.spec.template.spec)
        return [
            obj.metadata.name or "",
            f"{obj.status.readyReplicas or 0}/{obj.spec.replicas or 0}",
            obj.status.updatedReplicas or 0,
            obj.status.availableReplicas or 0,
            age_of(obj, now),
            called,
            images,
            format_selector(obj.spec.selector),
        ]

    def scale_of(self, obj: Deployment) -> Scale:
        return scaling.make_scale(obj, scaling.selector_text(obj.spec.selector))

    def apply_scale(self, obj: Deployment, scale: Scale) -> None:
        obj.spec.replicas = (scale.spec.replicas or 0) if scale.spec is not None else 0


def _rollout(strategy: Rollout, errors: Errors) -> None:
    path, rolling = "spec.strategy.rollingUpdate", strategy.rollingUpdate
    if strategy.type == "Recreate":
        if rolling is not None:
            errors.forbidden(path, "may not be specified when strategy `type` is 'Recreate'")
    elif strategy.type == "RollingUpdate":
        if rolling is None:
            errors.required(path, "this should be defaulted and never be nil")
            return
        unavailable, surge = rolling.maxUnavailable or 0, rolling.maxSurge or 0
        validate_int_or_percent(unavailable, f"{path}.maxUnavailable", errors)
        validate_int_or_percent(surge, f"{path}.maxSurge", errors)
        if is_zero(unavailable) and is_zero(surge):
            errors.invalid(f"{path}.maxUnavailable", unavailable, "may not be 0 when `maxSurge` is 0")
        at_most_all(unavailable, f"{path}.maxUnavailable", errors)
    else:
        errors.unsupported("spec.strategy.type", strategy.type or "", ("Recreate", "RollingUpdate"))


def _progress(spec: DeploymentSpec, errors: Errors) -> None:
    deadline = spec.progressDeadlineSeconds
    if deadline is None:
        return
    scaling.non_negative(deadline, "spec.progressDeadlineSeconds", errors)
    if deadline <= (spec.minReadySeconds or 0):
        errors.invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")
