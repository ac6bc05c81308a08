"""A Pod as the scheduler sees it: what is needed again and again, worked out once."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from sampan.api.pod_resources import host_ports, request_numbers
from sampan.api.selectors import labels as label_selectors
from sampan.api.types import core_v1, meta_v1

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
    """matchLabelKeys: the term is about Pods that share the incoming Pod's value; mismatchLabelKeys: that do not."""
    same = {k: labels[k] for k in term.matchLabelKeys or () if k in labels}
    other = [k for k in term.mismatchLabelKeys or () if k in labels]
    if selector is None or not (same or other):
        return selector
    differing = [meta_v1.LabelSelectorRequirement(key=k, operator="NotIn", values=[labels[k]]) for k in other]
    return type(selector)(
        matchLabels={**(selector.matchLabels or {}), **same} or None,
        matchExpressions=[*(selector.matchExpressions or ()), *differing] or None,
    )


class PodInfo:
    __slots__ = (
        "affine", "affinity_preferred", "affinity_required", "anti_preferred", "anti_required", "choosy", "claims",
        "company", "key", "labels", "namespace", "nonzero_cpu", "nonzero_memory", "pod", "ports", "priority",
        "requests", "uid", "wish",
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
        self.affine = bool(
            self.affinity_required or self.anti_required or self.affinity_preferred or self.anti_preferred
        )
        # Whether other Pods, and its own labels, decide where it may go.
        self.choosy = bool(self.affine or spec.topologySpreadConstraints)
        self.claims = _claims(pod)
        self.wish, self.company = _wish_of(self), _company_of(self)

    @property
    def name(self) -> str:
        return self.pod.metadata.name or ""

    @property
    def leaving(self) -> bool:
        return bool(self.pod.metadata.deletionTimestamp)

    def same_as(self, other: PodInfo) -> bool:
        """Whether an update changed nothing that decides where it may run."""
        if (self.wish, self.company) != (other.wish, other.company):
            return False
        return self.labels == other.labels and self.priority == other.priority


class _Wish(Struct):
    """The parts of a Pod's spec by which it chooses a node, and nothing else."""

    selector: dict[str, str] | None
    affinity: core_v1.NodeAffinity | None
    tolerations: list[core_v1.Toleration] | None
    requests: list[Any]
    images: list[str | None]
    node: str | None
    ports: list[Any]


class _Company(Struct):
    """Those by which it chooses the Pods around it."""

    near: core_v1.PodAffinity | None
    away: core_v1.PodAntiAffinity | None
    spread: list[core_v1.TopologySpreadConstraint] | None


def _wish_of(info: PodInfo) -> bytes:
    """Pods of one wish fit the same nodes with the same scores, as far as each node can be judged by itself."""
    spec = info.pod.spec
    every = [*(spec.initContainers or ()), *spec.containers]
    return msgspec.json.encode(
        _Wish(
            selector=spec.nodeSelector,
            affinity=spec.affinity.nodeAffinity if spec.affinity is not None else None,
            tolerations=spec.tolerations,
            # The sums, not the containers: the same amounts of an init container and of an app's add up differently.
            requests=[info.requests, info.nonzero_cpu, info.nonzero_memory],
            images=[c.image for c in every],
            node=spec.nodeName,
            ports=info.ports,
        ),
        order="deterministic",
    )


def _company_of(info: PodInfo) -> bytes:
    if not info.choosy:
        return b""
    spec, affinity = info.pod.spec, info.pod.spec.affinity or core_v1.Affinity()
    return msgspec.json.encode(
        _Company(near=affinity.podAffinity, away=affinity.podAntiAffinity, spread=spec.topologySpreadConstraints),
        order="deterministic",
    )


def _claims(pod: core_v1.Pod) -> dict[str, bool]:
    """NAMESPACE/NAME of the claims that its volumes use, and whether each is made for the Pod and bears its name."""
    meta = pod.metadata
    found = {}
    for volume in pod.spec.volumes or ():
        if volume.persistentVolumeClaim is not None:
            found[f"{meta.namespace}/{volume.persistentVolumeClaim.claimName}"] = False
        elif volume.ephemeral is not None:
            found[f"{meta.namespace}/{meta.name}-{volume.name}"] = True
    return found


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
