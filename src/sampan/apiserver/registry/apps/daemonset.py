"""DaemonSets."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sampan.api.types.apps_v1 import DaemonSet, DaemonSetSpec, RollingUpdateDaemonSet
from sampan.apiserver.registry import labels, meta, scaling
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.intorpercent import at_most_all, is_zero, validate_int_or_percent
from sampan.apiserver.registry.podspec.defaults import default_spec
from sampan.apiserver.registry.podspec.spec import validate_template
from sampan.apiserver.registry.podspec.warnings import template_warnings
from sampan.apiserver.registry.printing import age_of, containers, format_labels, format_selector
from sampan.apiserver.registry.strategy import AGE, NAME, Column, Strategy, WriteContext

TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


class DaemonSetStrategy(Strategy):
    columns: ClassVar[tuple[Column, ...]] = (
        NAME,
        Column("Desired", "integer", description="Nodes that should have a Pod."),
        Column("Current", "integer", description="Nodes that have one."),
        Column("Ready", "integer", description="Pods that are ready."),
        Column("Up-to-date", "integer", description="Pods that have the newest template."),
        Column("Available", "integer", description="Pods that have been ready long enough."),
        Column("Node Selector", description="Which nodes it is for."),
        AGE,
        Column("Containers", description="Names of its Pods' containers.", priority=1),
        Column("Images", description="Images of its Pods' containers.", priority=1),
        Column("Selector", description="How it finds its Pods.", priority=1),
    )
    generation_fields: ClassVar[tuple[str, ...]] = ("spec",)
    reset_fields: ClassVar[tuple[str, ...]] = ("status",)
    status_reset_fields: ClassVar[tuple[str, ...]] = ("spec",)

    def set_defaults(self, obj: DaemonSet) -> None:
        spec = obj.spec
        if TEMPLATE_GENERATION not in (obj.metadata.annotations or {}):
            _say_generation(obj, 0)  # belongs to who wrote the object, as if said by him
        default_spec(spec.template.spec)
        if not spec.updateStrategy.type:
            spec.updateStrategy.type = "RollingUpdate"
        if spec.updateStrategy.type == "RollingUpdate":
            rolling = spec.updateStrategy.rollingUpdate
            if rolling is None:
                rolling = spec.updateStrategy.rollingUpdate = RollingUpdateDaemonSet()
            if rolling.maxUnavailable is None:
                rolling.maxUnavailable = 1
            if rolling.maxSurge is None:
                rolling.maxSurge = 0
        if spec.revisionHistoryLimit is None:
            spec.revisionHistoryLimit = 10

    def prepare_for_create(self, obj: DaemonSet, context: WriteContext) -> None:
        super().prepare_for_create(obj, context)
        _say_generation(obj, 1)

    def prepare_for_update(self, obj: DaemonSet, old: DaemonSet) -> None:
        super().prepare_for_update(obj, old)
        said = (old.metadata.annotations or {}).get(TEMPLATE_GENERATION, "0")
        number = int(said) if said.isdecimal() else 0
        _say_generation(obj, number + (1 if obj.spec.template != old.spec.template else 0))

    def validate_spec(self, obj: DaemonSet, errors: Errors) -> None:
        spec = obj.spec
        labels.validate_selector(spec.selector, "spec.selector", errors)
        found = spec.template.metadata.labels
        readable = labels.is_valid(spec.selector)
        if readable and (spec.selector is None or not labels.matches(spec.selector, found)):
            errors.invalid("spec.template.metadata.labels", found, scaling.UNMATCHED)
        if spec.selector is not None and labels.is_empty(spec.selector):
            errors.invalid("spec.selector", spec.selector, "empty selector is invalid for daemonset")
        validate_template(spec.template, "spec.template", errors)
        scaling.only_always(spec.template, "DaemonSet", "spec.template", errors)
        scaling.non_negative(spec.minReadySeconds, "spec.minReadySeconds", errors)
        _update_strategy(spec, errors)
        scaling.non_negative(spec.revisionHistoryLimit, "spec.revisionHistoryLimit", errors)

    def validate_change(self, obj: DaemonSet, old: DaemonSet, errors: Errors) -> None:
        if obj.spec.selector != old.spec.selector:
            errors.invalid("spec.selector", obj.spec.selector, meta.IMMUTABLE)

    def validate_status(self, obj: DaemonSet, old: DaemonSet, errors: Errors) -> None:
        counts = (
            "currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady",
            "observedGeneration", "updatedNumberScheduled", "numberAvailable", "numberUnavailable", "collisionCount",
        )  # fmt: skip
        scaling.validate_counts(obj.status, counts, errors)
        if (obj.status.collisionCount or 0) < (old.status.collisionCount or 0):
            errors.invalid("status.collisionCount", obj.status.collisionCount or 0, "cannot be decremented")

    def warnings(self, obj: DaemonSet, old: DaemonSet | None) -> list[str]:
        return template_warnings(obj.spec.template, "spec.template", old.spec.template if old is not None else None)

    def cells(self, obj: DaemonSet, now: datetime) -> list[Any]:
        spec, status = obj.spec, obj.status
        called, images = containers(spec.template.spec)
        return [
            obj.metadata.name or "",
            status.desiredNumberScheduled,
            status.currentNumberScheduled,
            status.numberReady,
            status.updatedNumberScheduled or 0,
            status.numberAvailable or 0,
            format_labels(spec.template.spec.nodeSelector),
            age_of(obj, now),
            called,
            images,
            format_selector(spec.selector),
        ]


def _say_generation(obj: DaemonSet, number: int) -> None:
    obj.metadata.annotations = {**(obj.metadata.annotations or {}), TEMPLATE_GENERATION: str(number)}


def _update_strategy(spec: DaemonSetSpec, errors: Errors) -> None:
    strategy, path = spec.updateStrategy, "spec.updateStrategy.rollingUpdate"
    if strategy.type == "OnDelete":
        return
    if strategy.type != "RollingUpdate":
        errors.unsupported("spec.updateStrategy.type", strategy.type or "", ("RollingUpdate", "OnDelete"))
        return
    rolling = strategy.rollingUpdate
    if rolling is None:
        errors.required(path)
        return
    unavailable, surge = rolling.maxUnavailable or 0, rolling.maxSurge or 0
    validate_int_or_percent(unavailable, f"{path}.maxUnavailable", errors)
    validate_int_or_percent(surge, f"{path}.maxSurge", errors)
    if not is_zero(unavailable) and not is_zero(surge):
        errors.invalid(f"{path}.maxSurge", surge, "may not be set when maxUnavailable is non-zero")
    if is_zero(unavailable) and is_zero(surge):
        errors.required(f"{path}.maxUnavailable", "cannot be 0 when maxSurge is 0")
    at_most_all(unavailable, f"{path}.maxUnavailable", errors)
    at_most_all(surge, f"{path}.maxSurge", errors)
