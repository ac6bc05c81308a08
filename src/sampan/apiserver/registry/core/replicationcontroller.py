"""ReplicationControllers: ReplicaSets before there were any."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sampan.api.types.autoscaling_v1 import Scale
from sampan.api.types.core_v1 import ReplicationController
from sampan.apiserver.registry import scaling
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.podspec.defaults import default_spec
from sampan.apiserver.registry.podspec.spec import validate_template
from sampan.apiserver.registry.podspec.warnings import template_warnings
from sampan.apiserver.registry.printing import age_of, containers, format_labels
from sampan.apiserver.registry.strategy import AGE, NAME, Column, Strategy

REPLICA_COLUMNS = (
    NAME,
    Column("Desired", "integer", description="Pods that are wanted."),
    Column("Current", "integer", description="Pods that exist."),
    Column("Ready", "integer", description="Pods that are ready."),
    AGE,
    Column("Containers", description="Names of its Pods' containers.", priority=1),
    Column("Images", description="Images of its Pods' containers.", priority=1),
    Column("Selector", description="How it finds its Pods.", priority=1),
)


class ReplicationControllerStrategy(Strategy):
    columns: ClassVar[tuple[Column, ...]] = REPLICA_COLUMNS
    field_labels: ClassVar[frozenset[str]] = frozenset(("status.replicas",))
    generation_fields: ClassVar[tuple[str, ...]] = ("spec",)
    default_propagation: ClassVar[str] = "Orphan"
    reset_fields: ClassVar[tuple[str, ...]] = ("status",)
    status_reset_fields: ClassVar[tuple[str, ...]] = ("spec",)

    def set_defaults(self, obj: ReplicationController) -> None:
        spec = obj.spec
        if spec.replicas is None:
            spec.replicas = 1
        if spec.template is not None:
            default_spec(spec.template.spec)
            found = spec.template.metadata.labels
            if found:
                if not spec.selector:
                    spec.selector = dict(found)
                if not obj.metadata.labels:
                    obj.metadata.labels = dict(found)

    def validate_spec(self, obj: ReplicationController, errors: Errors) -> None:
        spec = obj.spec
        scaling.non_negative(spec.minReadySeconds, "spec.minReadySeconds", errors)
        if not spec.selector:
            errors.required("spec.selector")
        scaling.non_negative(spec.replicas, "spec.replicas", errors)
        template = spec.template
        if template is None:
            errors.required("spec.template")
            return
        found = template.metadata.labels or {}
        if spec.selector and any(found.get(k) != v for k, v in spec.selector.items()):
            errors.invalid("spec.template.metadata.labels", template.metadata.labels, scaling.UNMATCHED)
        validate_template(template, "spec.template", errors)
        scaling.only_always(template, "ReplicationController", "spec.template", errors)

    def validate_status(self, obj: ReplicationController, old: ReplicationController, errors: Errors) -> None:
        counts = ("replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration")
        scaling.validate_counts(obj.status, counts, errors)
        scaling.not_above_replicas(obj.status, counts[1:4], errors)
        scaling.available_within_ready(obj.status, errors)

    def warnings(self, obj: ReplicationController, old: ReplicationController | None) -> list[str]:
        return template_warnings(obj.spec.template, "spec.template", old.spec.template if old is not None else None)

    def selectable_fields(self, obj: ReplicationController) -> dict[str, str]:
        return {**super().selectable_fields(obj), "status.replicas": str(obj.status.replicas or 0)}

    def cells(self, obj: ReplicationController, now: datetime) -> list[Any]:
        spec, status = obj.spec, obj.status
        called, images = containers(spec.template.spec if spec.template is not None else None)
        return [
            obj.metadata.name or "",
            spec.replicas or 0,
            status.replicas or 0,
            status.readyReplicas or 0,
            age_of(obj, now),
            called,
            images,
            format_labels(spec.selector),
        ]

    def scale_of(self, obj: ReplicationController) -> Scale:
        selector = ",".join(f"{k}={v}" for k, v in sorted((obj.spec.selector or {}).items()))
        return scaling.make_scale(obj, selector)

    def apply_scale(self, obj: ReplicationController, scale: Scale) -> None:
        obj.spec.replicas = (scale.spec.replicas or 0) if scale.spec is not None else 0
