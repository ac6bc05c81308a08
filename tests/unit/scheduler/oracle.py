"""Kubernetes' rules for where a Pod may go, once more: slow, plain, and without a line of the scheduler's own."""

from __future__ import annotations

from typing import Any

from sampan.api.pod_resources import host_ports, number, request_numbers
from sampan.api.types import core_v1

Placed = dict[str, tuple[core_v1.Pod, str]]  # by uid, with the node
Volumes = dict[str, dict[str, Any]]  # by claim: node, zone, once, driver
LIMIT = 2  # volumes of the driver on one node


def allowed(pod: core_v1.Pod, on: str, nodes: dict[str, core_v1.Node], placed: Placed, volumes: Volumes) -> bool:
    node = nodes[on]
    there = [p for p, where in placed.values() if where == on]
    return (
        _itself(pod, node)
        and _fits(pod, node, there)
        and _ports(pod, there)
        and _volumes(pod, node, there, placed, volumes)
        and _spread(pod, node, nodes, placed)
        and _company(pod, node, nodes, placed)
    )


def _itself(pod: core_v1.Pod, node: core_v1.Node) -> bool:
    if pod.spec.nodeName and pod.spec.nodeName != node.metadata.name:
        return False
    tolerant = bool(pod.spec.tolerations)
    if node.spec.unschedulable and not tolerant:
        return False
    if any(t.effect in ("NoSchedule", "NoExecute") for t in node.spec.taints or ()) and not tolerant:
        return False
    return _chosen(pod, node)


def _chosen(pod: core_v1.Pod, node: core_v1.Node) -> bool:
    labels = node.metadata.labels or {}
    return all(labels.get(k) == v for k, v in (pod.spec.nodeSelector or {}).items())


def _fits(pod: core_v1.Pod, node: core_v1.Node, there: list[core_v1.Pod]) -> bool:
    amounts = node.status.allocatable or {}
    for name in ("cpu", "memory"):
        asked = request_numbers(pod).get(name, 0)
        if asked and asked + sum(request_numbers(p).get(name, 0) for p in there) > number(name, amounts[name]):
            return False
    return len(there) < int(amounts["pods"])


def _ports(pod: core_v1.Pod, there: list[core_v1.Pod]) -> bool:
    return not set(host_ports(pod)) & {port for p in there for port in host_ports(p)}


def claims_of(pod: core_v1.Pod) -> list[str]:
    return [v.persistentVolumeClaim.claimName for v in pod.spec.volumes or () if v.persistentVolumeClaim is not None]


def _volumes(pod: core_v1.Pod, node: core_v1.Node, there: list[core_v1.Pod], placed: Placed, volumes: Volumes) -> bool:
    labels = node.metadata.labels or {}
    for claim in claims_of(pod):
        volume = volumes[claim]
        if volume["node"] and volume["node"] != node.metadata.name:
            return False
        zone = labels.get("topology.kubernetes.io/zone")
        if volume["zone"] and zone is not None and zone != volume["zone"]:
            return False
        if volume["once"] and any(claim in claims_of(p) for p, _ in placed.values()):
            return False
    attached = {c for p in there for c in claims_of(p) if volumes[c]["driver"]}
    new = {c for c in claims_of(pod) if volumes[c]["driver"]} - attached
    return not new or len(attached | new) <= LIMIT


def _spread(pod: core_v1.Pod, node: core_v1.Node, nodes: dict[str, core_v1.Node], placed: Placed) -> bool:
    for constraint in pod.spec.topologySpreadConstraints or ():
        key, wanted = constraint.topologyKey, constraint.labelSelector
        assert wanted is not None
        counts: dict[str, int] = {}
        for name, other in nodes.items():
            value = (other.metadata.labels or {}).get(key)
            if value is None or not _chosen(pod, other):
                continue
            matching = [p for p, on in placed.values() if on == name and _has(p, wanted.matchLabels or {})]
            counts[value] = counts.get(value, 0) + len(matching)
        mine = (node.metadata.labels or {}).get(key)
        if mine is None:
            return False
        own = 1 if _has(pod, wanted.matchLabels or {}) else 0
        if counts.get(mine, 0) + own - min(counts.values(), default=0) > constraint.maxSkew:
            return False
    return True


def _has(pod: core_v1.Pod, labels: dict[str, str]) -> bool:
    own = pod.metadata.labels or {}
    return all(own.get(k) == v for k, v in labels.items())


def _terms(pod: core_v1.Pod, kind: str) -> list[tuple[str, dict[str, str]]]:
    affinity = getattr(pod.spec.affinity, kind) if pod.spec.affinity is not None else None
    required = affinity.requiredDuringSchedulingIgnoredDuringExecution if affinity is not None else None
    return [(t.topologyKey, t.labelSelector.matchLabels) for t in required or ()]


def _company(pod: core_v1.Pod, node: core_v1.Node, nodes: dict[str, core_v1.Node], placed: Placed) -> bool:
    def value(name: str, key: str) -> str | None:
        return (nodes[name].metadata.labels or {}).get(key)

    name = node.metadata.name or ""
    for key, labels in _terms(pod, "podAntiAffinity"):
        here = value(name, key)
        if here is not None and any(value(on, key) == here and _has(p, labels) for p, on in placed.values()):
            return False
    for other, on in placed.values():
        for key, labels in _terms(other, "podAntiAffinity"):
            if value(on, key) is not None and value(on, key) == value(name, key) and _has(pod, labels):
                return False
    wanted = _terms(pod, "podAffinity")
    if not wanted:
        return True
    if any(value(name, key) is None for key, _ in wanted):
        return False
    company = [(p, on) for p, on in placed.values() if all(_has(p, labels) for _, labels in wanted)]
    if all(any(value(on, key) == value(name, key) for _, on in company) for key, _ in wanted):
        return True
    counted = [on for _, on in company if any(value(on, key) is not None for key, _ in wanted)]
    return not counted and all(_has(pod, labels) for _, labels in wanted)
