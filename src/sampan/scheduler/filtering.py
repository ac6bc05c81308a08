"""Which nodes will do for a Pod, and why the others will not. Filters in Kubernetes' order; the first no counts."""

from __future__ import annotations

from sampan.api.types import meta_v1
from sampan.scheduler.cache import NodeCache
from sampan.scheduler.node_info import NodeInfo
from sampan.scheduler.plugins import (
    node_affinity,
    node_name,
    node_ports,
    node_resources,
    node_unschedulable,
    taint_toleration,
)
from sampan.scheduler.plugins.inter_pod_affinity import Counts, NamespaceLabels
from sampan.scheduler.plugins.pod_topology_spread import Spread
from sampan.scheduler.plugins.volumes import Claims, Lookups
from sampan.scheduler.pod_info import PodInfo
from sampan.scheduler.verdict import Refusal

_LOCAL = (
    node_unschedulable.filter_node,
    node_name.filter_node,
    taint_toleration.filter_node,
    node_affinity.filter_node,
    node_ports.filter_node,
    node_resources.filter_node,
)


def judge_alone(pod: PodInfo, node: NodeInfo) -> Refusal | None:
    """The filters that need nothing but the node."""
    for judge in _LOCAL:
        refusal = judge(pod, node)
        if refusal is not None:
            return refusal
    return None


class Cycle:
    """What one Pod's filters share: counted once over the whole cluster."""

    def __init__(
        self,
        pod: PodInfo,
        cache: NodeCache,
        namespaces: NamespaceLabels,
        lookups: Lookups,
        default_selector: meta_v1.LabelSelector | None,
    ) -> None:
        self.pod = pod
        self.namespaces = namespaces
        needs_counts = bool(pod.affinity_required or pod.anti_required or pod.affinity_preferred or pod.anti_preferred)
        self.counts = Counts(pod, cache, namespaces) if needs_counts or cache.with_affinity else None
        spread = bool(pod.pod.spec.topologySpreadConstraints) or default_selector is not None
        self.spread = Spread(pod, cache, default_selector) if spread else None
        self.claims = Claims(pod, lookups)

    def judge(self, node: NodeInfo) -> Refusal | None:
        refusal = judge_alone(self.pod, node) or self.claims.filter_node(node)
        if refusal is None and self.spread is not None:
            refusal = self.spread.filter_node(node)
        if refusal is None and self.counts is not None:
            refusal = self.counts.filter_node(node, self.namespaces)
        return refusal
