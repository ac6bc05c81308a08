"""Queueing hints: which event can change the mind of which plugin, and whether this one does for this Pod.

Wrongly yes costs one attempt in vain; wrongly no leaves a Pod waiting until the slow flush. So in doubt: yes.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from sampan.api.types import core_v1
from sampan.scheduler.node_info import NodeInfo
from sampan.scheduler.plugins import node_affinity, node_name, node_unschedulable, taint_toleration
from sampan.scheduler.plugins.inter_pod_affinity import NamespaceLabels
from sampan.scheduler.pod_info import PodInfo


class Happening(StrEnum):
    NODE_ADDED = "node added"
    NODE_ALLOCATABLE = "node allocatable"
    NODE_LABEL = "node label"
    NODE_TAINT = "node taint"
    NODE_GONE = "node gone"
    POD_GONE = "pod gone"
    POD_PLACED = "pod placed"
    VOLUME = "volume"


Subject = NodeInfo | PodInfo | None

_ANY_NODE = frozenset({Happening.NODE_ADDED, Happening.NODE_LABEL})
HELPS: dict[str, frozenset[Happening]] = {
    "NodeResourcesFit": frozenset({Happening.NODE_ADDED, Happening.NODE_ALLOCATABLE, Happening.POD_GONE}),
    "NodePorts": frozenset({Happening.NODE_ADDED, Happening.POD_GONE}),
    "NodeAffinity": _ANY_NODE,
    "NodeName": _ANY_NODE,
    "NodeUnschedulable": frozenset({Happening.NODE_ADDED, Happening.NODE_TAINT}),
    "TaintToleration": frozenset({Happening.NODE_ADDED, Happening.NODE_TAINT}),
    "InterPodAffinity": frozenset({*_ANY_NODE, Happening.POD_GONE, Happening.POD_PLACED}),
    "PodTopologySpread": frozenset(
        {*_ANY_NODE, Happening.NODE_TAINT, Happening.NODE_GONE, Happening.POD_GONE, Happening.POD_PLACED}
    ),
    "VolumeBinding": frozenset({*_ANY_NODE, Happening.VOLUME}),
    "VolumeZone": frozenset({*_ANY_NODE, Happening.VOLUME}),
    "VolumeRestrictions": frozenset({Happening.POD_GONE, Happening.VOLUME}),
    "NodeVolumeLimits": frozenset({Happening.NODE_ADDED, Happening.POD_GONE, Happening.VOLUME}),
    "SchedulingGates": frozenset(),
}
HELPED_BY: dict[Happening, tuple[str, ...]] = {
    what: tuple(plugin for plugin, events in HELPS.items() if what in events) for what in Happening
}


class Hints:
    def __init__(self, namespaces: NamespaceLabels) -> None:
        self._namespaces = namespaces
        self._of_node: dict[str, Callable[[PodInfo, NodeInfo], bool]] = {
            "NodeAffinity": lambda pod, node: node_affinity.matches(pod.pod, node),
            "NodeName": lambda pod, node: node_name.filter_node(pod, node) is None,
            "NodeUnschedulable": lambda pod, node: node_unschedulable.filter_node(pod, node) is None,
            "TaintToleration": lambda pod, node: taint_toleration.filter_node(pod, node) is None,
            "NodeResourcesFit": has_enough,
        }
        self._of_pod: dict[str, Callable[[PodInfo, PodInfo, Happening], bool]] = {
            "NodePorts": lambda pod, other, _: bool({p[2] for p in pod.ports} & {p[2] for p in other.ports}),
            "InterPodAffinity": self._company,
            "PodTopologySpread": lambda pod, other, _: pod.namespace == other.namespace,
        }

    def helps(self, plugin: str, pod: PodInfo, what: Happening, subject: Subject) -> bool:
        if plugin in HELPS and what not in HELPS[plugin]:
            return False
        if isinstance(subject, NodeInfo) and what is not Happening.NODE_GONE and plugin in self._of_node:
            return self._of_node[plugin](pod, subject)
        if isinstance(subject, PodInfo) and plugin in self._of_pod:
            return self._of_pod[plugin](pod, subject, what)
        return True

    def _company(self, pod: PodInfo, other: PodInfo, what: Happening) -> bool:
        if what is Happening.POD_PLACED:
            return any(t.matches(other.namespace, other.labels, self._namespaces) for t in pod.affinity_required)
        return any(t.matches(other.namespace, other.labels, self._namespaces) for t in pod.anti_required) or any(
            t.matches(pod.namespace, pod.labels, self._namespaces) for t in other.anti_required
        )


def has_enough(pod: PodInfo, node: NodeInfo) -> bool:
    """Were it empty."""
    return all(amount <= node.allocatable.get(name, 0) for name, amount in pod.requests.items())


def changes_of(old: core_v1.Node, new: core_v1.Node) -> list[Happening]:
    """What of a node's update may help somebody."""
    changes = []
    if old.metadata.labels != new.metadata.labels:
        changes.append(Happening.NODE_LABEL)
    if old.spec.taints != new.spec.taints or old.spec.unschedulable != new.spec.unschedulable:
        changes.append(Happening.NODE_TAINT)
    if old.status.allocatable != new.status.allocatable:
        changes.append(Happening.NODE_ALLOCATABLE)
    return changes
