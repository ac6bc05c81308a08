"""HorizontalPodAutoscalers: served in two versions, stored as the second."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sampan.api import quantity
from sampan.api.scheme import BUILT_IN_SCHEME, ResourceInfo
from sampan.api.types.autoscaling_v2 import (
    HorizontalPodAutoscaler,
    HPAScalingPolicy,
    HPAScalingRules,
    MetricSpec,
    MetricTarget,
    ResourceMetricSource,
)
from sampan.apiserver.registry import scaling
from sampan.apiserver.registry.autoscaling.conversion import from_v2, to_v2
from sampan.apiserver.registry.autoscaling.hpa_rules import validate_hpa
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.printing import age_of
from sampan.apiserver.registry.strategy import AGE, NAME, Column, Strategy, WriteContext

_UNKNOWN = "<unknown>"
_SHOWN = 2


class HorizontalPodAutoscalerStrategy(Strategy):
    columns: ClassVar[tuple[Column, ...]] = (
        NAME,
        Column("Reference", description="What it scales."),
        Column("Targets", description="Its metrics, now and wanted."),
        Column("MinPods", description="The fewest Pods."),
        Column("MaxPods", description="The most Pods."),
        Column("Replicas", description="Pods that there are."),
        AGE,
    )
    reset_fields: ClassVar[tuple[str, ...]] = ("status",)
    status_reset_fields: ClassVar[tuple[str, ...]] = ("spec",)

    def __init__(self, info: ResourceInfo) -> None:
        super().__init__(info)
        self.first = info.version == "v1"

    def set_defaults(self, obj: Any) -> None:
        if obj.spec.minReplicas is None:
            obj.spec.minReplicas = 1
        if self.first:
            return
        if not obj.spec.metrics:
            target = MetricTarget(type="Utilization", averageUtilization=80)
            cpu = ResourceMetricSource(name="cpu", target=target)
            obj.spec.metrics = [MetricSpec(type="Resource", resource=cpu)]
        behavior = obj.spec.behavior
        if behavior is not None:
            behavior.scaleUp = _scale_up(behavior.scaleUp)
            behavior.scaleDown = _scale_down(behavior.scaleDown)
        for metric in obj.spec.metrics:
            for wire in ("containerResource", "external", "object_", "pods", "resource"):
                source = getattr(metric, wire)
                if source is not None:
                    for amount in ("value", "averageValue"):
                        said = getattr(source.target, amount)
                        if said is not None:
                            setattr(source.target, amount, quantity.canonical(said))

    def prepare_for_create(self, obj: Any, context: WriteContext) -> None:
        obj.status = type(obj.status)()

    def validate_spec(self, obj: Any, errors: Errors) -> None:
        validate_hpa((to_v2(obj) if self.first else obj).spec, errors)

    def validate_status(self, obj: Any, old: Any, errors: Errors) -> None:
        scaling.validate_counts(obj.status, ("currentReplicas", "desiredReplicas"), errors)

    @property
    def storage_info(self) -> ResourceInfo:
        found = BUILT_IN_SCHEME.resource("autoscaling", "v2", "horizontalpodautoscalers")
        assert found is not None
        return found

    def to_storage(self, obj: Any) -> Any:
        return to_v2(obj) if self.first else obj

    def from_storage(self, stored: Any) -> Any:
        return from_v2(stored) if self.first else stored

    def cells(self, obj: Any, now: datetime) -> list[Any]:
        hpa: HorizontalPodAutoscaler = to_v2(obj) if self.first else obj
        spec, ref = hpa.spec, hpa.spec.scaleTargetRef
        return [
            hpa.metadata.name or "",
            f"{ref.kind}/{ref.name}",
            format_metrics(hpa),
            str(spec.minReplicas) if spec.minReplicas is not None else "<unset>",
            spec.maxReplicas,
            hpa.status.currentReplicas or 0,
            age_of(hpa, now),
        ]


def _scale_up(rules: HPAScalingRules | None) -> HPAScalingRules:
    rules = rules or HPAScalingRules()
    if rules.stabilizationWindowSeconds is None:
        rules.stabilizationWindowSeconds = 0
    return _rules(rules, [
        HPAScalingPolicy(type="Pods", value=4, periodSeconds=15),
        HPAScalingPolicy(type="Percent", value=100, periodSeconds=15),
    ])  # fmt: skip


def _scale_down(rules: HPAScalingRules | None) -> HPAScalingRules:
    return _rules(rules or HPAScalingRules(), [HPAScalingPolicy(type="Percent", value=100, periodSeconds=15)])


def _rules(rules: HPAScalingRules, policies: list[HPAScalingPolicy]) -> HPAScalingRules:
    if rules.selectPolicy is None:
        rules.selectPolicy = "Max"
    if not rules.policies:
        rules.policies = policies
    return rules


def format_metrics(hpa: HorizontalPodAutoscaler) -> str:
    """`cpu: 20%/80%, 5/10 (avg) + 1 more...`"""
    specs = hpa.spec.metrics or []
    if not specs:
        return "<none>"
    now = hpa.status.currentMetrics or []
    texts = []
    for index, metric in enumerate(specs):
        wire = metric.type[:1].lower() + metric.type[1:]
        wire = "object_" if wire == "object" else wire
        source = getattr(metric, wire, None)
        if source is None:
            texts.append("<unknown type>")
            continue
        status = getattr(now[index], wire, None) if index < len(now) else None
        texts.append(_one(metric.type, source, status.current if status is not None else None))
    more = len(texts) - _SHOWN
    return ", ".join(texts[:_SHOWN]) + (f" + {more} more..." if more > 0 else "")


def _one(kind: str, source: Any, current: Any) -> str:
    target = source.target
    if kind in ("Resource", "ContainerResource"):
        if target.averageValue is not None:
            return f"{source.name}: {_amount(current, 'averageValue')}/{quantity.canonical(target.averageValue)}"
        used = current.averageUtilization if current is not None else None
        said = f"{used}%" if used is not None else _UNKNOWN
        wanted = f"{target.averageUtilization}%" if target.averageUtilization is not None else "<auto>"
        return f"{source.name}: {said}/{wanted}"
    if target.averageValue is not None:
        average = "" if kind == "Pods" else " (avg)"
        return f"{_amount(current, 'averageValue')}/{quantity.canonical(target.averageValue)}{average}"
    return f"{_amount(current, 'value')}/{quantity.canonical(target.value or 0)}"


def _amount(current: Any, wire: str) -> str:
    found = getattr(current, wire) if current is not None else None
    return quantity.canonical(found) if found is not None else _UNKNOWN
