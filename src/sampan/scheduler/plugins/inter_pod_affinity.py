"""InterPodAffinity: near these Pods, far from those; also what Pods that run already ask of newcomers.

The counts per topology value are made once per Pod (`Counts`), then each node is a few look-ups.
"""

from __future__ import annotations

from collections import Counter

from sampan.scheduler.cache import NodeCache
from sampan.scheduler.node_info import NodeInfo
from sampan.scheduler.pod_info import PodInfo
from sampan.scheduler.verdict import Refusal

PLUGIN = "InterPodAffinity"
_AFFINITY = Refusal(PLUGIN, ("node(s) didn't match pod affinity rules",), final=True)
_ANTI = Refusal(PLUGIN, ("node(s) didn't match pod anti-affinity rules",))
_EXISTING = Refusal(PLUGIN, ("node(s) didn't satisfy existing pods anti-affinity rules",))
HARD_WEIGHT = 1
NamespaceLabels = dict[str, dict[str, str]]
Place = tuple[str, str]


class Counts:
    """How many Pods match, by (topology key, value)."""

    def __init__(self, pod: PodInfo, cache: NodeCache, namespaces: NamespaceLabels) -> None:
        self.pod = pod
        self.affinity: list[Counter[Place]] = [Counter() for _ in pod.affinity_required]
        self.anti: Counter[Place] = Counter()
        self.existing: Counter[Place] = Counter()
        self.score: Counter[Place] = Counter()
        interested = bool(pod.affinity_required or pod.anti_required or pod.affinity_preferred or pod.anti_preferred)
        for name in cache.ordered:
            node = cache.nodes[name]
            if node.pods and (interested or node.with_affinity):
                self._count(node, namespaces, interested=interested)

    def _count(self, node: NodeInfo, namespaces: NamespaceLabels, *, interested: bool) -> None:
        pod, labels = self.pod, node.labels
        for other in node.pods.values():
            if interested:
                # A Pod counts as company only if it is what every term asks for.
                if all(t.matches(other.namespace, other.labels, namespaces) for t in pod.affinity_required):
                    for at, term in enumerate(pod.affinity_required):
                        if term.topology in labels:
                            self.affinity[at][term.topology, labels[term.topology]] += 1
                for term in pod.anti_required:
                    if term.topology in labels and term.matches(other.namespace, other.labels, namespaces):
                        self.anti[term.topology, labels[term.topology]] += 1
                for sign, terms in ((1, pod.affinity_preferred), (-1, pod.anti_preferred)):
                    for term in terms:
                        if term.topology in labels and term.matches(other.namespace, other.labels, namespaces):
                            self.score[term.topology, labels[term.topology]] += sign * term.weight
            for term in other.anti_required:
                if term.topology in labels and term.matches(pod.namespace, pod.labels, namespaces):
                    self.existing[term.topology, labels[term.topology]] += 1
            for sign, terms in ((1, other.affinity_preferred), (-1, other.anti_preferred)):
                for term in terms:
                    if term.topology in labels and term.matches(pod.namespace, pod.labels, namespaces):
                        self.score[term.topology, labels[term.topology]] += sign * term.weight
            for term in other.affinity_required:
                if term.topology in labels and term.matches(pod.namespace, pod.labels, namespaces):
                    self.score[term.topology, labels[term.topology]] += HARD_WEIGHT

    def filter_node(self, node: NodeInfo, namespaces: NamespaceLabels) -> Refusal | None:
        pod, labels = self.pod, node.labels
        if pod.affinity_required and not self._near(labels, namespaces):
            return _AFFINITY
        for term in pod.anti_required:
            value = labels.get(term.topology)
            if value is not None and self.anti.get((term.topology, value)):
                return _ANTI
        if self.existing and any(self.existing.get(place) for place in labels.items()):
            return _EXISTING
        return None

    def _near(self, labels: dict[str, str], namespaces: NamespaceLabels) -> bool:
        satisfied = True
        for term, counted in zip(self.pod.affinity_required, self.affinity, strict=True):
            value = labels.get(term.topology)
            if value is None:
                return False
            satisfied = satisfied and counted.get((term.topology, value), 0) > 0
        if satisfied:
            return True
        # The first of a group that wants to be near itself may go anywhere.
        nobody = not any(self.affinity)
        pod = self.pod
        return nobody and all(t.matches(pod.namespace, pod.labels, namespaces) for t in pod.affinity_required)

    def score_node(self, node: NodeInfo) -> int:
        return sum(self.score.get(place, 0) for place in node.labels.items())
