"""InterPodAffinity: near these Pods, far from those; also what Pods that run already ask of newcomers.

The counts belong to a shape of Pods and follow the nodes one by one, so judging a node is a few look-ups.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sampan.scheduler.node_info import NodeInfo
from sampan.scheduler.pod_info import PodInfo, Term
from sampan.scheduler.verdict import Refusal

PLUGIN = "InterPodAffinity"
_AFFINITY = Refusal(PLUGIN, ("node(s) didn't match pod affinity rules",), final=True)
_ANTI = Refusal(PLUGIN, ("node(s) didn't match pod anti-affinity rules",))
_EXISTING = Refusal(PLUGIN, ("node(s) didn't satisfy existing pods anti-affinity rules",))
NamespaceLabels = dict[str, dict[str, str]]
Table = dict[str, dict[str, int]]  # topology key → its value → a number
_EXIST, _ANTI_OWN, _SCORE, _AFFINE = 0, 1, 2, 3  # tables; those of the affinity terms come last


class Counts:
    """How many Pods match, or how much they weigh, by table, topology key and value."""

    def __init__(
        self,
        pod: PodInfo,
        namespaces: NamespaceLabels,
        *,
        hard_weight: int = 1,
        ignore_existing_preferences: bool = False,
    ) -> None:
        self.pod = pod
        self._namespaces = namespaces
        self._hard_weight = hard_weight
        self._ignore_preferences = ignore_existing_preferences and not (pod.affinity_preferred or pod.anti_preferred)
        self._tables: list[Table] = [{} for _ in range(_AFFINE + len(pod.affinity_required))]
        self._existing, self._anti, self._score = self._tables[:_AFFINE]
        self._affinity = self._tables[_AFFINE:]
        self._parts: dict[str, list[tuple[int, str, str, int]]] = {}
        # The first of a group that wants to be near itself may go anywhere.
        self._own_company = all(t.matches(pod.namespace, pod.labels, namespaces) for t in pod.affinity_required)

    @property
    def scoring(self) -> bool:
        return bool(self._score)

    def update(self, name: str, node: NodeInfo | None) -> None:
        for table, key, value, number in self._parts.pop(name, ()):
            self._add(table, key, value, -number)
        part = self._part(node) if node is not None and node.pods else []
        if part:
            self._parts[name] = part
            for table, key, value, number in part:
                self._add(table, key, value, number)

    def _add(self, table: int, key: str, value: str, number: int) -> None:
        values = self._tables[table].setdefault(key, {})
        total = values.get(value, 0) + number
        if total:
            values[value] = total
            return
        values.pop(value, None)
        if not values:
            del self._tables[table][key]

    def _part(self, node: NodeInfo) -> list[tuple[int, str, str, int]]:
        """What the node's Pods count for, at the node's own values."""
        interested = self.pod.affine
        if not interested and not node.with_affinity:
            return []
        found: Counter[tuple[int, str]] = Counter()
        for other in node.pods.values():
            if interested:
                self._wanted(other, found)
            if node.with_affinity and other.affine:
                self._asked_by(other, found)
        labels = node.labels
        return [(table, key, labels[key], number) for (table, key), number in found.items() if number and key in labels]

    def _wanted(self, other: PodInfo, found: Counter[tuple[int, str]]) -> None:
        """What the Pod asks of others."""
        pod = self.pod
        # A Pod counts as company only if it is what every term asks for.
        if pod.affinity_required and all(self._is_meant(t, other) for t in pod.affinity_required):
            for at, term in enumerate(pod.affinity_required):
                found[_AFFINE + at, term.topology] += 1
        for term in pod.anti_required:
            if self._is_meant(term, other):
                found[_ANTI_OWN, term.topology] += 1
        for sign, terms in ((1, pod.affinity_preferred), (-1, pod.anti_preferred)):
            for term in terms:
                if self._is_meant(term, other):
                    found[_SCORE, term.topology] += sign * term.weight

    def _asked_by(self, other: PodInfo, found: Counter[tuple[int, str]]) -> None:
        """What others ask of the Pod."""
        pod = self.pod
        for term in other.anti_required:
            if self._is_meant(term, pod):
                found[_EXIST, term.topology] += 1
        if self._ignore_preferences:
            return
        for sign, terms in ((1, other.affinity_preferred), (-1, other.anti_preferred)):
            for term in terms:
                if self._is_meant(term, pod):
                    found[_SCORE, term.topology] += sign * term.weight
        for term in other.affinity_required:
            if self._is_meant(term, pod):
                found[_SCORE, term.topology] += self._hard_weight

    def _is_meant(self, term: Term, pod: PodInfo) -> bool:
        return term.matches(pod.namespace, pod.labels, self._namespaces)

    def filter_node(self, node: NodeInfo) -> Refusal | None:
        labels = node.labels
        if self._affinity and not self._near(labels):
            return _AFFINITY
        for key, values in self._anti.items():
            if labels.get(key) in values:
                return _ANTI
        for key, values in self._existing.items():
            if labels.get(key) in values:
                return _EXISTING
        return None

    def _near(self, labels: dict[str, str]) -> bool:
        satisfied = True
        for term, table in zip(self.pod.affinity_required, self._affinity, strict=True):
            value = labels.get(term.topology)
            if value is None:
                return False
            satisfied = satisfied and value in table.get(term.topology, ())
        return satisfied or (self._own_company and not any(self._affinity))

    def scores(self, nodes: Sequence[NodeInfo]) -> list[int]:
        """Sums of weights; may be negative."""
        raw = [0] * len(nodes)
        for key, values in self._score.items():
            for at, node in enumerate(nodes):
                value = node.labels.get(key)
                if value is not None:
                    raw[at] += values.get(value, 0)
        return raw
