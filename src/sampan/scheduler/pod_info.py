"""A Pod as the scheduler sees it: what is needed again and again, worked out once."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from sampan.api.pod_resources import host_ports, request_numbers
from sampan.api.selectors import labels as label_selectors
from sampan.api.types import core_v1

DEFAULT_CPU, DEFAULT_MEMORY = 100, 200 * 1024 * 1024  # what an empty container counts for in scores
Port = tuple[str, str, int]


class Term:
    """One (anti-)affinity term, ready to match."""

    __slots__ = ("all_namespaces", "namespaces", "selector", "topology", "weight", "wide")

    def __init__(self, term: core_v1.PodAffinityTerm, namespace: str, labels: dict[str, str], weight: int = 0) -> None:
        selector = term.labelSelector
        self.selector = label_selectors.from_label_selector(_with_keys(selector, term, labels))
        named = set(term.namespaces or ())
        wide = term.namespaceSelector
        self.wide = label_selectors.from_label_selector(wide) if wide is not None else None
        self.all_namespaces = wide is not None and not wide.matchLabels and not wide.matchExpressions
        self.namespaces = named if named or wide is not None else {namespace}
        self.topology = term.topologyKey
        self.weight = weight

    def matches(self, namespace: str, labels: dict[str, str], namespace_labels: dict[str, dict[str, str]]) -> bool:
        inside = self.all_namespaces or namespace in self.namespaces
        if not inside and self.wide is not None:
            inside = self.wide.matches(namespace_labels.get(namespace, {}))
        return inside and self.selector.matches(labels)


def _with_keys(selector: Any, term: core_v1.PodAffinityTerm, labels: dict[str, str]) -> Any:
    """matchLabelKeys: the term is about Pods that share the incoming Pod's value."""
    extra = {k: labels[k] for k in term.matchLabelKeys or () if k in labels}
    if not extra or selector is None:
        return selector
    return type(selector)(
        matchLabels={**(selector.matchLabels or {}), **extra}, matchExpressions=selector.matchExpressions
    )


class PodInfo:
    __slots__ = (
        "affinity_preferred",
        "affinity_required",
        "anti_preferred",
        "anti_required",
        "key",
        "labels",
        "namespace",
        "nonzero_cpu",
        "nonzero_memory",
        "pod",
        "ports",
        "priority",
        "requests",
        "shape",
        "simple",
        "uid",
    )  # fmt: skip

    def __init__(self, pod: core_v1.Pod) -> None:
        meta, spec = pod.metadata, pod.spec
        self.pod = pod
        self.uid = meta.uid or ""
        self.namespace = meta.namespace or ""
        self.key = f"{self.namespace}/{meta.name}"
        self.labels = meta.labels or {}
        self.priority = spec.priority or 0
        self.requests = {name: amount for name, amount in request_numbers(pod).items() if amount}
        self.ports: list[Port] = host_ports(pod)
        self.nonzero_cpu, self.nonzero_memory = _nonzero(pod, self.requests)
        affinity = spec.affinity
        self.affinity_required = _terms(affinity.podAffinity if affinity else None, self)
        self.anti_required = _terms(affinity.podAntiAffinity if affinity else None, self)
        self.affinity_preferred = _preferred(affinity.podAffinity if affinity else None, self)
        self.anti_preferred = _preferred(affinity.podAntiAffinity if affinity else None, self)
        # Whether each node can be judged by itself, without looking at what runs elsewhere.
        self.simple = not (
            self.affinity_required
            or self.anti_required
            or self.affinity_preferred
            or self.anti_preferred
            or spec.topologySpreadConstraints
            or any(v.persistentVolumeClaim or v.ephemeral for v in spec.volumes or ())
        )
        self.shape = _shape_of(self)

    @property
    def name(self) -> str:
        return self.pod.metadata.name or ""


class _Shape(Struct):
    """The parts of a Pod that decide where it may run, and nothing else."""

    namespace: str | None
    labels: dict[str, str] | None
    selector: dict[str, str] | None
    affinity: core_v1.Affinity | None
    tolerations: list[core_v1.Toleration] | None
    requests: list[Any]
    images: list[str | None]
    node: str | None
    spread: list[core_v1.TopologySpreadConstraint] | None
    ports: list[Any]
    priority: int | None


def _shape_of(info: PodInfo) -> bytes:
    """Pods of one shape fit the same nodes with the same scores."""
    pod = info.pod
    spec = pod.spec
    every = [*(spec.initContainers or ()), *spec.containers]
    return msgspec.json.encode(
        _Shape(
            namespace=pod.metadata.namespace,
            labels=pod.metadata.labels,
            selector=spec.nodeSelector,
            affinity=spec.affinity,
            tolerations=spec.tolerations,
            # The sums, not the containers: the same amounts of an init container and of an app's add up differently.
            requests=[info.requests, info.nonzero_cpu, info.nonzero_memory],
            images=[c.image for c in every],
            node=spec.nodeName,
            spread=spec.topologySpreadConstraints,
            ports=info.ports,
            priority=spec.priority,
        ),
        order="deterministic",
    )


def _nonzero(pod: core_v1.Pod, requests: dict[str, int]) -> tuple[int, int]:
    cpu, memory = requests.get("cpu", 0), requests.get("memory", 0)
    for container in pod.spec.containers:
        asked = container.resources.requests or {}
        if "cpu" not in asked:
            cpu += DEFAULT_CPU
        if "memory" not in asked:
            memory += DEFAULT_MEMORY
    return cpu, memory


def _terms(affinity: core_v1.PodAffinity | core_v1.PodAntiAffinity | None, info: PodInfo) -> list[Term]:
    if affinity is None:
        return []
    required = affinity.requiredDuringSchedulingIgnoredDuringExecution
    return [Term(t, info.namespace, info.labels) for t in required or ()]


def _preferred(affinity: core_v1.PodAffinity | core_v1.PodAntiAffinity | None, info: PodInfo) -> list[Term]:
    if affinity is None:
        return []
    preferred = affinity.preferredDuringSchedulingIgnoredDuringExecution
    return [Term(t.podAffinityTerm, info.namespace, info.labels, t.weight) for t in preferred or ()]
