"""Namespaces, service accounts, quotas, priority classes, disruption budgets and autoscalers from flags."""

from __future__ import annotations

import re
from typing import Any

from sampan.api.quantity import canonical
from sampan.api.selectors.labels import parse as parse_selector
from sampan.cli.generate import GenerateError, Object, head


def namespace(name: str) -> Object:
    return head("v1", "Namespace", name) | {"spec": {}, "status": {}}


def service_account(name: str, *, namespace: str = "") -> Object:
    return head("v1", "ServiceAccount", name, namespace)


def quota(name: str, hard: str, scopes: str, *, namespace: str = "") -> Object:
    spec: Object = {}
    if hard:
        spec["hard"] = resource_list(hard)
    if scopes:
        spec["scopes"] = scopes.split(",")
        if "" in spec["scopes"]:
            raise GenerateError('invalid resource quota scope ""')
    return head("v1", "ResourceQuota", name, namespace) | {"spec": spec, "status": {}}


def resource_list(text: str) -> dict[str, str]:
    """`cpu=1,memory=1Gi`."""
    found = {}
    for part in text.split(","):
        pieces = part.split("=")
        if len(pieces) != 2:
            raise GenerateError(f"Invalid argument syntax {part}, expected <resource>=<value>")
        try:
            found[pieces[0]] = canonical(pieces[1])
        except ValueError:
            raise GenerateError(
                "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
            ) from None
    return found


def priority_class(name: str, value: int, *, default: bool, description: str, preemption: str) -> Object:
    made = head("scheduling.k8s.io/v1", "PriorityClass", name) | {"value": value}
    if default:
        made["globalDefault"] = True
    if description:
        made["description"] = description
    return made | {"preemptionPolicy": preemption}


def disruption_budget(
    name: str, selector: str, *, min_available: str = "", max_unavailable: str = "", namespace: str = ""
) -> Object:
    if not selector:
        raise GenerateError("a selector must be specified")
    if not min_available and not max_unavailable:
        raise GenerateError("one of min-available or max-unavailable must be specified")
    if min_available and max_unavailable:
        raise GenerateError("min-available and max-unavailable cannot be both specified")
    spec: Object = {}
    for text, what in ((min_available, "min-available"), (max_unavailable, "max-unavailable")):
        if text and not re.fullmatch(r"\d+%?", text):
            raise GenerateError(f"invalid format specified for {what}")
    if min_available:
        spec["minAvailable"] = _int_or_text(min_available)
    spec["selector"] = label_selector(selector)
    if max_unavailable:
        spec["maxUnavailable"] = _int_or_text(max_unavailable)
    status = {"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0}
    return head("policy/v1", "PodDisruptionBudget", name, namespace) | {"spec": spec, "status": status}


def label_selector(text: str) -> Object:
    """A selector text as the API's `LabelSelector`."""
    equal: dict[str, str] = {}
    rules: list[dict[str, Any]] = []
    names = {"in": "In", "notin": "NotIn", "exists": "Exists", "!": "DoesNotExist", "!=": "NotIn"}
    for one in parse_selector(text).requirements:
        operator = str(getattr(one.operator, "value", one.operator))
        values = list(one.values)
        if operator in ("=", "=="):
            equal[one.key] = values[0]
        else:
            rules.append(
                {"key": one.key, "operator": names.get(operator, operator)} | ({"values": values} if values else {})
            )
    return ({"matchLabels": equal} if equal else {}) | ({"matchExpressions": rules} if rules else {})


def autoscaler(
    name: str,
    api_version: str,
    kind: str,
    target: str,
    *,
    low: int,
    high: int,
    cpu: str,
    memory: str,
    namespace: str = "",
) -> Object:
    spec: Object = {"scaleTargetRef": {"kind": kind, "name": target, "apiVersion": api_version}}
    if low > 0:
        spec["minReplicas"] = low
    spec["maxReplicas"] = high
    metrics = [_metric(resource, text) for resource, text in (("cpu", cpu), ("memory", memory)) if text]
    if metrics:
        spec["metrics"] = metrics
    return head("autoscaling/v2", "HorizontalPodAutoscaler", name, namespace) | {
        "spec": spec,
        "status": {"desiredReplicas": 0, "currentMetrics": None},
    }


def _metric(resource: str, text: str) -> Object:
    target: Object
    if text.endswith("%"):
        target = {"type": "Utilization", "averageUtilization": int(text[:-1])}
    else:
        target = {"type": "AverageValue", "averageValue": canonical(text)}
    return {"type": "Resource", "resource": {"name": resource, "target": target}}


def _int_or_text(text: str) -> int | str:
    return int(text) if text.isdigit() else text
