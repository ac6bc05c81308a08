"""HorizontalPodAutoscalers of the first version: what it has no field for is kept in annotations."""

from __future__ import annotations

from typing import Any

import msgspec

from sampan.api.types import autoscaling_v1, autoscaling_v2

_METRICS = "autoscaling.alpha.kubernetes.io/metrics"
_CURRENT = "autoscaling.alpha.kubernetes.io/current-metrics"
_CONDITIONS = "autoscaling.alpha.kubernetes.io/conditions"
_BEHAVIOR = "autoscaling.alpha.kubernetes.io/behavior"
_OURS = (_METRICS, _CURRENT, _CONDITIONS, _BEHAVIOR)


def _is_cpu(metric: autoscaling_v2.MetricSpec) -> bool:
    resource = metric.resource
    return (
        metric.type == "Resource"
        and resource is not None
        and resource.name == "cpu"
        and (resource.target.averageUtilization is not None)
    )


def to_v2(hpa: autoscaling_v1.HorizontalPodAutoscaler) -> autoscaling_v2.HorizontalPodAutoscaler:
    annotations = dict(hpa.metadata.annotations or {})
    metrics: list[autoscaling_v2.MetricSpec] = _read(annotations.get(_METRICS), list[autoscaling_v2.MetricSpec]) or []
    percent = hpa.spec.targetCPUUtilizationPercentage
    if percent is not None:
        target = autoscaling_v2.MetricTarget(type="Utilization", averageUtilization=percent)
        cpu = autoscaling_v2.ResourceMetricSource(name="cpu", target=target)
        metrics = [autoscaling_v2.MetricSpec(type="Resource", resource=cpu), *metrics]
    ref = hpa.spec.scaleTargetRef
    spec = autoscaling_v2.HorizontalPodAutoscalerSpec(
        scaleTargetRef=autoscaling_v2.CrossVersionObjectReference(
            kind=ref.kind, name=ref.name, apiVersion=ref.apiVersion
        ),
        minReplicas=hpa.spec.minReplicas,
        maxReplicas=hpa.spec.maxReplicas,
        metrics=metrics or None,
        behavior=_read(annotations.get(_BEHAVIOR), autoscaling_v2.HorizontalPodAutoscalerBehavior),
    )
    status = autoscaling_v2.HorizontalPodAutoscalerStatus(
        observedGeneration=hpa.status.observedGeneration,
        lastScaleTime=hpa.status.lastScaleTime,
        currentReplicas=hpa.status.currentReplicas or None,
        desiredReplicas=hpa.status.desiredReplicas,
        currentMetrics=_read(annotations.get(_CURRENT), list[autoscaling_v2.MetricStatus]),
        conditions=_read(annotations.get(_CONDITIONS), list[autoscaling_v2.HorizontalPodAutoscalerCondition]),
    )
    return autoscaling_v2.HorizontalPodAutoscaler(
        kind="HorizontalPodAutoscaler",
        apiVersion="autoscaling/v2",
        metadata=_with_annotations(hpa.metadata, {k: v for k, v in annotations.items() if k not in _OURS}),
        spec=spec,
        status=status,
    )


def from_v2(hpa: autoscaling_v2.HorizontalPodAutoscaler) -> autoscaling_v1.HorizontalPodAutoscaler:
    annotations = dict(hpa.metadata.annotations or {})
    percent = None
    others = []
    for metric in hpa.spec.metrics or ():
        if percent is None and _is_cpu(metric) and metric.resource is not None:
            percent = metric.resource.target.averageUtilization
        else:
            others.append(metric)
    for key, value in (
        (_METRICS, others),
        (_CURRENT, hpa.status.currentMetrics),
        (_CONDITIONS, hpa.status.conditions),
        (_BEHAVIOR, hpa.spec.behavior),
    ):
        if value:
            annotations[key] = msgspec.json.encode(value).decode()
    ref = hpa.spec.scaleTargetRef
    spec = autoscaling_v1.HorizontalPodAutoscalerSpec(
        scaleTargetRef=autoscaling_v1.CrossVersionObjectReference(
            kind=ref.kind, name=ref.name, apiVersion=ref.apiVersion
        ),
        minReplicas=hpa.spec.minReplicas,
        maxReplicas=hpa.spec.maxReplicas,
        targetCPUUtilizationPercentage=percent,
    )
    status = autoscaling_v1.HorizontalPodAutoscalerStatus(
        observedGeneration=hpa.status.observedGeneration,
        lastScaleTime=hpa.status.lastScaleTime,
        currentReplicas=hpa.status.currentReplicas or 0,
        desiredReplicas=hpa.status.desiredReplicas,
        currentCPUUtilizationPercentage=_current_cpu(hpa),
    )
    return autoscaling_v1.HorizontalPodAutoscaler(
        kind="HorizontalPodAutoscaler",
        apiVersion="autoscaling/v1",
        metadata=_with_annotations(hpa.metadata, annotations),
        spec=spec,
        status=status,
    )


def _current_cpu(hpa: autoscaling_v2.HorizontalPodAutoscaler) -> int | None:
    for metric in hpa.status.currentMetrics or ():
        if metric.resource is not None and metric.resource.name == "cpu":
            return metric.resource.current.averageUtilization
    return None


def _read(text: str | None, kind: Any) -> Any:
    if not text:
        return None
    try:
        return msgspec.json.decode(text.encode(), type=kind)
    except msgspec.MsgspecError:
        return None


def _with_annotations(meta: Any, annotations: dict[str, str]) -> Any:
    return msgspec.structs.replace(meta, annotations=annotations or None)
