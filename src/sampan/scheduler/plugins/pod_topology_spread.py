"""PodTopologySpread: how evenly matching Pods lie over the values of a node label; the default constraints too.

The counts belong to a shape of Pods and follow the nodes one by one: a node that changed is taken out with what it
counted for, and put in again with what it counts for now. So the least count is known without looking at all domains.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from sampan.api.selectors import labels as label_selectors
from sampan.api.types import core_v1, meta_v1
from sampan.scheduler.node_info import NodeInfo
from sampan.scheduler.plugins import node_affinity, taint_toleration
from sampan.scheduler.pod_info import PodInfo
from sampan.scheduler.verdict import Refusal

PLUGIN = "PodTopologySpread"
_NO_LABEL = Refusal(
    PLUGIN, ("node(s) didn't match pod topology spread constraints (missing required label)",), final=True
)
_SKEWED = Refusal(PLUGIN, ("node(s) didn't match pod topology spread constraints",))


class Domains:
    """A number for each value of a topology key, the sum of what the nodes with that value count for."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self._nodes: dict[str, int] = {}  # how many nodes have the value: a domain without Pods is one all the same
        self._levels: dict[int, int] = {}  # how many domains have this number
        self._least = 0

    def add(self, value: str, number: int) -> None:
        known = self.counts.get(value)
        if known is not None:
            self._leave(known)
        self._nodes[value] = self._nodes.get(value, 0) + 1
        self._enter(value, (known or 0) + number)

    def take(self, value: str, number: int) -> None:
        count = self.counts[value]
        self._leave(count)
        self._nodes[value] -= 1
        if self._nodes[value]:
            self._enter(value, count - number)
        else:
            del self.counts[value], self._nodes[value]

    @property
    def least(self) -> int:
        if not self._levels:
            return 0
        while self._least not in self._levels:
            self._least += 1
        return self._least

    def _enter(self, value: str, count: int) -> None:
        self.counts[value] = count
        self._least = min(self._least, count) if self._levels else count
        self._levels[count] = self._levels.get(count, 0) + 1

    def _leave(self, count: int) -> None:
        left = self._levels[count] - 1
        if left:
            self._levels[count] = left
        else:
            del self._levels[count]


class Constraint:
    def __init__(
        self, spec: core_v1.TopologySpreadConstraint, pod: PodInfo, selector: meta_v1.LabelSelector | None
    ) -> None:
        self.hard = spec.whenUnsatisfiable != "ScheduleAnyway"
        self.key = spec.topologyKey
        self.max_skew = spec.maxSkew
        self._min_domains = spec.minDomains or 1
        self._by_affinity = (spec.nodeAffinityPolicy or "Honor") == "Honor"
        self._by_taints = (spec.nodeTaintsPolicy or "Ignore") == "Honor"
        extra = {k: pod.labels[k] for k in spec.matchLabelKeys or () if k in pod.labels}
        if extra:
            base = selector or meta_v1.LabelSelector()
            selector = meta_v1.LabelSelector(
                matchLabels={**(base.matchLabels or {}), **extra}, matchExpressions=base.matchExpressions
            )
        self._selector = label_selectors.from_label_selector(selector)
        self._own = 1 if self._selector.matches(pod.labels) else 0
        self._pod = pod
        self._domains = Domains()
        self._parts: dict[str, tuple[str, int]] = {}
        self.counts = self._domains.counts

    def update(self, name: str, node: NodeInfo | None) -> None:
        old = self._parts.pop(name, None)
        if old is not None:
            self._domains.take(*old)
        new = self._part(node) if node is not None else None
        if new is not None and (self.hard or new[1]):  # for scores alone, a domain without Pods is nothing
            self._parts[name] = new
            self._domains.add(*new)

    def _part(self, node: NodeInfo) -> tuple[str, int] | None:
        value = node.labels.get(self.key)
        if value is None:
            return None
        if self._by_affinity and not node_affinity.matches(self._pod.pod, node):
            return None
        if self._by_taints and taint_toleration.filter_node(self._pod, node) is not None:
            return None
        namespace, matches = self._pod.namespace, self._selector.matches
        if namespace not in node.namespaces:
            return value, 0
        return value, sum(
            1
            for other in node.pods.values()
            if other.namespace == namespace and matches(other.labels) and not other.leaving
        )

    def skew_with(self, value: str) -> int:
        """The Pod's own weight included."""
        least = self._domains.least if len(self.counts) >= self._min_domains else 0
        return self.counts.get(value, 0) + self._own - least


class Spread:
    """The Pod's own constraints, or the profile's for Pods that have none, counted over all nodes."""

    def __init__(
        self,
        pod: PodInfo,
        defaults: Sequence[core_v1.TopologySpreadConstraint],
        default_selector: meta_v1.LabelSelector | None,
        *,
        lenient: bool = False,
    ) -> None:
        """`lenient`: a node need not have all the keys of `defaults`."""
        own = pod.pod.spec.topologySpreadConstraints
        self._lenient = lenient and not own
        listed = own or (defaults if default_selector is not None else ())
        constraints = [Constraint(c, pod, c.labelSelector if own else default_selector) for c in listed]
        self.namespace = pod.namespace
        self.hard = [c for c in constraints if c.hard]
        self.soft = [c for c in constraints if not c.hard]

    def update(self, name: str, node: NodeInfo | None) -> None:
        """A node counts if it has the keys of all constraints, not only of one."""
        for group, lenient in ((self.hard, False), (self.soft, self._lenient)):
            counts = node is not None and (lenient or all(c.key in node.labels for c in group))
            for constraint in group:
                constraint.update(name, node if counts else None)

    def filter_node(self, node: NodeInfo) -> Refusal | None:
        for constraint in self.hard:
            value = node.labels.get(constraint.key)
            if value is None:
                return _NO_LABEL
            if constraint.skew_with(value) > constraint.max_skew:
                return _SKEWED
        return None

    def scores(self, nodes: Sequence[NodeInfo]) -> list[int]:
        """0 to 100; a node that lacks a key gets 0."""
        keys = [c.key for c in self.soft]
        ignored = set() if self._lenient else {at for at, n in enumerate(nodes) if any(k not in n.labels for k in keys)}
        raw = [0.0] * len(nodes)
        for constraint in self.soft:
            key, counts, rest = constraint.key, constraint.counts, constraint.max_skew - 1
            values = [node.labels.get(key) for node in nodes]
            if ignored:
                values = [None if at in ignored else value for at, value in enumerate(values)]
            weight = math.log(len({*values} - {None}) + 2)
            raw = [
                sum_ + counts.get(value, 0) * weight + rest if value is not None else sum_
                for sum_, value in zip(raw, values, strict=True)
            ]
        return normalized([None if at in ignored else round(r) for at, r in enumerate(raw)])


def normalized(raw: Sequence[int | None]) -> list[int]:
    """The smaller the better; 0 for who has none."""
    known = [score for score in raw if score is not None]
    most, least = max(known, default=0), min(known, default=0)
    if most == 0:
        return [100 if score is not None else 0 for score in raw]
    top = most + least
    return [0 if score is None else 100 * (top - score) // most for score in raw]
