"""NodeAffinity: nodeSelector and required node affinity filter; preferred terms score."""

from __future__ import annotations

from collections.abc import Callable

from sampan.api.selectors import labels as label_selectors
from sampan.api.types import core_v1
from sampan.scheduler.node_info import NodeInfo
from sampan.scheduler.pod_info import PodInfo
from sampan.scheduler.verdict import Refusal

_NO = Refusal("NodeAffinity", ("node(s) didn't match Pod's node affinity/selector",), final=True)
_ENFORCED = Refusal("NodeAffinity", ("node(s) didn't match scheduler-enforced node affinity",), final=True)


def filter_node(pod: PodInfo, node: NodeInfo) -> Refusal | None:
    return None if matches(pod.pod, node) else _NO


def filter_of(added: core_v1.NodeAffinity | None) -> Callable[[PodInfo, NodeInfo], Refusal | None]:
    """The filter, with what the profile asks of nodes besides."""
    required = added.requiredDuringSchedulingIgnoredDuringExecution if added is not None else None
    if required is None:
        return filter_node
    terms = required.nodeSelectorTerms

    def filter_both(pod: PodInfo, node: NodeInfo) -> Refusal | None:
        return filter_node(pod, node) if any(term_matches(t, node) for t in terms) else _ENFORCED

    return filter_both


def matches(pod: core_v1.Pod, node: NodeInfo) -> bool:
    labels = node.labels
    for key, value in (pod.spec.nodeSelector or {}).items():
        if labels.get(key) != value:
            return False
    affinity = pod.spec.affinity
    required = affinity.nodeAffinity if affinity is not None else None
    selector = required.requiredDuringSchedulingIgnoredDuringExecution if required is not None else None
    if selector is None:
        return True
    return any(term_matches(term, node) for term in selector.nodeSelectorTerms)


def term_matches(term: core_v1.NodeSelectorTerm, node: NodeInfo) -> bool:
    """A term without any requirement matches nothing."""
    if not term.matchExpressions and not term.matchFields:
        return False
    if term.matchExpressions:
        selector = label_selectors.from_node_selector_expressions(term.matchExpressions)
        if not selector.matches(node.labels):
            return False
    for field in term.matchFields or ():
        named = node.name in (field.values or ())
        if field.key != "metadata.name" or named != (field.operator == "In"):
            return False
    return True


def score_node(pod: PodInfo, node: NodeInfo) -> int:
    affinity = pod.pod.spec.affinity
    preferred = affinity.nodeAffinity if affinity is not None else None
    if preferred is None:
        return 0
    terms = preferred.preferredDuringSchedulingIgnoredDuringExecution or ()
    return sum(t.weight for t in terms if t.weight and term_matches(t.preference, node))
