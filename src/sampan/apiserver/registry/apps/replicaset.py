"""ReplicaSets."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sampan.api.types.apps_v1 import ReplicaSet
from sampan.api.types.autoscaling_v1 import Scale
from sampan.apiserver.registry import meta, scaling
from sampan.apiserver.registry.core.replicationcontroller import REPLICA_COLUMNS
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.podspec.defaults import default_spec
from sampan.apiserver.registry.podspec.warnings import template_warnings
from sampan.apiserver.registry.printing import age_of, containers, format_selector
from sampan.apiserver.registry.strategy import Column, Strategy


class ReplicaSetStrategy(Strategy):
    columns: ClassVar[tuple[Column, ...]] = REPLICA_COLUMNS
    field_labels: ClassVar[frozenset[str]] = frozenset(("status.replicas",))
    generation_fields: ClassVar[tuple[str, ...]] = ("spec",)
    reset_fields: ClassVar[tuple[str, ...]] = ("status",)
    status_reset_fields: ClassVar[tuple[str, ...]] = ("spec",)

    def set_defaults(self, obj: ReplicaSet) -> None:
        if obj.spec.replicas is None:
            obj.spec.replicas = 1
        default_spec(obj.spec.template.spec)

    def validate_spec(self, obj: ReplicaSet, errors: Errors) -> None:
        spec = obj.spec
        scaling.non_negative(spec.replicas, "spec.replicas", errors)
        scaling.non_negative(spec.minReadySeconds, "spec.minReadySeconds", errors)
        scaling.validate_selector(spec.selector, "deployment", "spec.selector", errors)
        scaling.validate_workload_template(spec.template, spec.selector, "ReplicaSet", "spec.template", errors)

    def validate_change(self, obj: ReplicaSet, old: ReplicaSet, errors: Errors) -> None:
        if obj.spec.selector != old.spec.selector:
            errors.invalid("spec.selector", obj.spec.selector, meta.IMMUTABLE)

    def validate_status(self, obj: ReplicaSet, old: ReplicaSet, errors: Errors) -> None:
        counts = ("replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration")
        scaling.validate_counts(obj.status, counts, errors)
        scaling.not_above_replicas(obj.status, counts[1:4], errors)
        scaling.available_within_ready(obj.status, errors)

    def warnings(self, obj: ReplicaSet, old: ReplicaSet | None) -> list[str]:
        return template_warnings(obj.spec.template, "spec.template", old.spec.template if old is not None else None)

    def selectable_fields(self, obj: ReplicaSet) -> dict[str, str]:
        return {**super().selectable_fields(obj), "status.replicas": str(obj.status.replicas or 0)}

    def cells(self, obj: ReplicaSet, now: datetime) -> list[Any]:
        spec, status = obj.spec, obj.status
        called, images = containers(spec.template.spec)
        return [
            obj.metadata.name or "",
            spec.replicas or 0,
            status.replicas or 0,
            status.readyReplicas or 0,
            age_of(obj, now),
            called,
            images,
            format_selector(spec.selector),
        ]

    def scale_of(self, obj: ReplicaSet) -> Scale:
        return scaling.make_scale(obj, scaling.selector_text(obj.spec.selector))

    def apply_scale(self, obj: ReplicaSet, scale: Scale) -> None:
        obj.spec.replicas = (scale.spec.replicas or 0) if scale.spec is not None else 0
