"""PodTopologySpread: how evenly matching Pods lie over the values of a node label; the default constraints too."""

from __future__ import annotations

import math
from collections import Counter

from sampan.api.selectors import labels as label_selectors
from sampan.api.types import core_v1, meta_v1
from sampan.scheduler.cache import NodeCache
from sampan.scheduler.node_info import NodeInfo
from sampan.scheduler.plugins import node_affinity, taint_toleration
from sampan.scheduler.pod_info import PodInfo
from sampan.scheduler.verdict import Refusal

PLUGIN = "PodTopologySpread"
_NO_LABEL = Refusal(
    PLUGIN, ("node(s) didn't match pod topology spread constraints (missing required label)",), final=True
)
_SKEWED = Refusal(PLUGIN, ("node(s) didn't match pod topology spread constraints",))
HOSTNAME, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
DEFAULTS = ((HOSTNAME, 3), (ZONE, 5))


class Constraint:
    """One constraint with its counts per value of the topology key."""

    def __init__(self, spec: core_v1.TopologySpreadConstraint, pod: PodInfo) -> None:
        self.key = spec.topologyKey
        self.max_skew = spec.maxSkew
        self.min_domains = spec.minDomains or 1
        self.by_affinity = (spec.nodeAffinityPolicy or "Honor") == "Honor"
        self.by_taints = (spec.nodeTaintsPolicy or "Ignore") == "Honor"
        selector = spec.labelSelector
        extra = {k: pod.labels[k] for k in spec.matchLabelKeys or () if k in pod.labels}
        if extra:
            base = selector or meta_v1.LabelSelector()
            selector = meta_v1.LabelSelector(
                matchLabels={**(base.matchLabels or {}), **extra}, matchExpressions=base.matchExpressions
            )
        self.selector = label_selectors.from_label_selector(selector)
        self.own = 1 if self.selector.matches(pod.labels) else 0
        self.counts: Counter[str] = Counter()
        self._least: int | None = None  # of the counts; asked for every node, so kept

    def count(self, pod: PodInfo, node: NodeInfo) -> None:
        self._least = None
        value = node.labels.get(self.key)
        if value is None:
            return
        if self.by_affinity and not node_affinity.matches(pod.pod, node):
            return
        if self.by_taints and taint_toleration.filter_node(pod, node) is not None:
            return
        self.counts[value] += sum(
            1
            for other in node.pods.values()
            if other.namespace == pod.namespace
            and not other.pod.metadata.deletionTimestamp
            and self.selector.matches(other.labels)
        )

    def skew_with(self, value: str) -> int:
        if self._least is None:
            enough = len(self.counts) >= self.min_domains
            self._least = min(self.counts.values(), default=0) if enough else 0
        return self.counts[value] + self.own - self._least


class Spread:
    """The Pod's constraints, counted over all nodes."""

    def __init__(self, pod: PodInfo, cache: NodeCache, default_selector: meta_v1.LabelSelector | None) -> None:
        self.pod = pod
        listed = pod.pod.spec.topologySpreadConstraints or []
        self.hard = [Constraint(c, pod) for c in listed if c.whenUnsatisfiable != "ScheduleAnyway"]
        self.soft = [Constraint(c, pod) for c in listed if c.whenUnsatisfiable == "ScheduleAnyway"]
        self.defaulted = not listed and default_selector is not None
        if self.defaulted:
            self.soft = [
                Constraint(
                    core_v1.TopologySpreadConstraint(
                        topologyKey=key,
                        maxSkew=skew,
                        whenUnsatisfiable="ScheduleAnyway",
                        labelSelector=default_selector,
                    ),
                    pod,
                )
                for key, skew in DEFAULTS
            ]
        for name in cache.ordered:
            node = cache.nodes[name]
            # A node counts if it has the keys of all constraints, not only of one.
            for group, all_keys in ((self.hard, True), (self.soft, not self.defaulted)):
                if all_keys and any(c.key not in node.labels for c in group):
                    continue
                for constraint in group:
                    constraint.count(pod, node)

    def filter_node(self, node: NodeInfo) -> Refusal | None:
        for constraint in self.hard:
            value = node.labels.get(constraint.key)
            if value is None:
                return _NO_LABEL
            if constraint.skew_with(value) > constraint.max_skew:
                return _SKEWED
        return None

    def score_node(self, node: NodeInfo) -> int | None:
        """The smaller the better (see `normalized`); None for a node that lacks a key, which scores worst."""
        total = 0.0
        for constraint in self.soft:
            value = node.labels.get(constraint.key)
            if value is None:
                if self.defaulted:
                    continue
                return None
            weight = math.log(len(constraint.counts) + 2)
            total += constraint.counts[value] * weight + (constraint.max_skew - 1)
        return round(total)

    @staticmethod
    def normalized(raw: dict[str, int | None]) -> dict[str, int]:
        known = [score for score in raw.values() if score is not None]
        if not known:
            return dict.fromkeys(raw, 0)
        most, least = max(known), min(known)
        if most == 0:
            return {name: 100 if score is not None else 0 for name, score in raw.items()}
        return {name: 0 if score is None else 100 * (most + least - score) // most for name, score in raw.items()}
