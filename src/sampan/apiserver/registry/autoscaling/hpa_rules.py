"""The rules of a HorizontalPodAutoscaler."""

from __future__ import annotations

from typing import Any

from sampan.api import quantity
from sampan.api.types.autoscaling_v2 import (
    CrossVersionObjectReference,
    HorizontalPodAutoscalerSpec,
    HPAScalingRules,
    MetricIdentifier,
    MetricSpec,
    MetricTarget,
)
from sampan.apiserver.registry import labels, meta
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.resource_names import NEGATIVE

_METRICS = ("ContainerResource", "External", "Object", "Pods", "Resource")
_TARGETS = ("AverageValue", "Utilization", "Value")
_SELECT = ("Disabled", "Max", "Min")
_POLICIES = ("Percent", "Pods")
_MAX_WINDOW, _MAX_PERIOD = 3600, 1800


def validate_hpa(spec: HorizontalPodAutoscalerSpec, errors: Errors) -> None:
    path = "spec"
    if spec.minReplicas is not None and spec.minReplicas < 1:
        errors.invalid(f"{path}.minReplicas", spec.minReplicas, "must be greater than or equal to 1")
    if spec.maxReplicas < 1:
        errors.invalid(f"{path}.maxReplicas", spec.maxReplicas, "must be greater than 0")
    if spec.minReplicas is not None and spec.maxReplicas < spec.minReplicas:
        detail = "must be greater than or equal to `minReplicas`"
        errors.invalid(f"{path}.maxReplicas", spec.maxReplicas, detail)
    _reference(spec.scaleTargetRef, f"{path}.scaleTargetRef", errors)
    for index, metric in enumerate(spec.metrics or ()):
        _metric(metric, f"{path}.metrics[{index}]", errors)
    if spec.behavior is not None:
        for wire in ("scaleUp", "scaleDown"):
            _rules(getattr(spec.behavior, wire), f"{path}.behavior.{wire}", errors)


def _reference(ref: CrossVersionObjectReference, path: str, errors: Errors) -> None:
    for wire in ("kind", "name"):
        value = getattr(ref, wire)
        if not value:
            errors.required(f"{path}.{wire}")
        else:
            errors.each(f"{path}.{wire}", value, meta.path_name(value, False))
    group, slash, version = (ref.apiVersion or "").rpartition("/")
    if (ref.apiVersion or "").count("/") > 1 or (slash and not (group and version)):
        errors.invalid(f"{path}.apiVersion", ref.apiVersion, f"unexpected GroupVersion string: {ref.apiVersion}")


def _metric(metric: MetricSpec, path: str, errors: Errors) -> None:
    if not metric.type:
        errors.required(f"{path}.type", "must specify a metric source type")
    elif metric.type not in _METRICS:
        errors.unsupported(f"{path}.type", metric.type, _METRICS)
    given = {wire: getattr(metric, attribute) for wire, attribute in _WIRES.items()}
    present = [wire for wire, source in given.items() if source is not None]
    expected = metric.type[:1].lower() + metric.type[1:]
    for wire in present:
        _SOURCES[wire](given[wire], f"{path}.{wire}", errors)
    if metric.type in _METRICS:
        if expected not in present:
            errors.required(f"{path}.{expected}", "must populate information for the given metric source")
        for wire in present:
            if wire != expected:
                detail = "must populate the given metric source only"
                errors.forbidden(f"{path}.{wire}", detail)


_WIRES = {
    "object": "object_", "external": "external", "pods": "pods", "resource": "resource",
    "containerResource": "containerResource",
}  # fmt: skip


def _target(target: MetricTarget, path: str, errors: Errors) -> None:
    if not target.type:
        errors.required(f"{path}.type", "must specify a metric target type")
    elif target.type not in _TARGETS:
        errors.invalid(f"{path}.type", target.type, "must be either Utilization, Value, or AverageValue")
    for wire in ("value", "averageValue"):
        amount = getattr(target, wire)
        if amount is not None and quantity.parse(amount).nanos <= 0:
            errors.invalid(f"{path}.{wire}", quantity.canonical(amount), "must be positive")
    if target.averageUtilization is not None and target.averageUtilization < 1:
        errors.invalid(f"{path}.averageUtilization", target.averageUtilization, "must be greater than 0")


def _identifier(metric: MetricIdentifier, path: str, errors: Errors) -> None:
    if not metric.name:
        errors.required(f"{path}.name")
    else:
        errors.each(f"{path}.name", metric.name, meta.path_name(metric.name, False))
    labels.validate_selector(metric.selector, f"{path}.selector", errors)


def _object(source: Any, path: str, errors: Errors) -> None:
    _reference(source.describedObject, f"{path}.describedObject", errors)
    _identifier(source.metric, f"{path}.metric", errors)
    _target(source.target, f"{path}.target", errors)
    if source.target.value is None and source.target.averageValue is None:
        errors.required(f"{path}.target.averageValue", "must set either a target value or averageValue")


def _external(source: Any, path: str, errors: Errors) -> None:
    _identifier(source.metric, f"{path}.metric", errors)
    _target(source.target, f"{path}.target", errors)
    if source.target.value is None and source.target.averageValue is None:
        detail = "must set either a target value for metric or a per-pod target"
        errors.required(f"{path}.target.averageValue", detail)
    if source.target.value is not None and source.target.averageValue is not None:
        detail = "may not set both a target value for metric and a per-pod target"
        errors.forbidden(f"{path}.target.value", detail)


def _pods(source: Any, path: str, errors: Errors) -> None:
    _identifier(source.metric, f"{path}.metric", errors)
    _target(source.target, f"{path}.target", errors)
    if source.target.averageValue is None:
        errors.required(f"{path}.target.averageValue", "must specify a positive target averageValue")


def _resource(source: Any, path: str, errors: Errors) -> None:
    if not source.name:
        errors.required(f"{path}.name", "must specify a resource name")
    if getattr(source, "container", "x") == "":
        errors.required(f"{path}.container", "must specify a container")
    _target(source.target, f"{path}.target", errors)
    utilization, value = source.target.averageUtilization, source.target.averageValue
    if utilization is None and value is None:
        detail = "must set either a target raw value or a target utilization"
        errors.required(f"{path}.target.averageUtilization", detail)
    if utilization is not None and value is not None:
        detail = "may not set both a target raw value and a target utilization"
        errors.forbidden(f"{path}.target.averageValue", detail)


_SOURCES: dict[str, Any] = {
    "object": _object, "external": _external, "pods": _pods, "resource": _resource, "containerResource": _resource,
}  # fmt: skip


def _rules(rules: HPAScalingRules | None, path: str, errors: Errors) -> None:
    if rules is None:
        return
    window = rules.stabilizationWindowSeconds
    if window is not None:
        if window < 0:
            errors.invalid(f"{path}.stabilizationWindowSeconds", window, "must be greater than or equal to zero")
        if window > _MAX_WINDOW:
            detail = f"must be less than or equal to {_MAX_WINDOW}"
            errors.invalid(f"{path}.stabilizationWindowSeconds", window, detail)
    if rules.selectPolicy is not None and rules.selectPolicy not in _SELECT:
        errors.unsupported(f"{path}.selectPolicy", rules.selectPolicy, _SELECT)
    if not rules.policies:
        errors.required(f"{path}.policies", "must specify at least one Policy")
    for index, policy in enumerate(rules.policies or ()):
        here = f"{path}.policies[{index}]"
        if policy.type not in _POLICIES:
            errors.unsupported(f"{here}.type", policy.type, _POLICIES)
        if policy.value <= 0:
            errors.invalid(f"{here}.value", policy.value, "must be greater than zero")
        if policy.periodSeconds <= 0:
            errors.invalid(f"{here}.periodSeconds", policy.periodSeconds, "must be greater than zero")
        if policy.periodSeconds > _MAX_PERIOD:
            detail = f"must be less than or equal to {_MAX_PERIOD}"
            errors.invalid(f"{here}.periodSeconds", policy.periodSeconds, detail)
    if rules.tolerance is not None and quantity.parse(rules.tolerance).nanos < 0:
        errors.invalid(f"{path}.tolerance", quantity.canonical(rules.tolerance), NEGATIVE)
