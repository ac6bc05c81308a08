"""The plugins that judge a node by itself, as a profile has them: its filters in Kubernetes' order, the first no
counts; and the raw scores that need no comparison with other nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from sampan.scheduler.cache import NodeCache
from sampan.scheduler.config import FILTERS, Profile
from sampan.scheduler.node_info import NodeInfo
from sampan.scheduler.plugins import (
    image_locality,
    node_affinity,
    node_name,
    node_ports,
    node_resources,
    node_unschedulable,
    taint_toleration,
)
from sampan.scheduler.pod_info import PodInfo
from sampan.scheduler.verdict import Refusal

Filter = Callable[[PodInfo, NodeInfo], Refusal | None]


class Local(NamedTuple):
    """What a node by itself is worth to a Pod, as of one version of the node."""

    version: int
    refusal: Refusal | None
    score: int = 0  # weighted
    soft_taints: int = 0  # raw, as the two need to be compared with other nodes'
    preferred: int = 0

    @property
    def compares(self) -> bool:
        return bool(self.soft_taints or self.preferred)


class LocalJudge:
    def __init__(self, profile: Profile, cache: NodeCache) -> None:
        self._profile = profile
        self._cache = cache
        known: dict[str, Filter] = {
            "NodeUnschedulable": node_unschedulable.filter_node,
            "NodeName": node_name.filter_node,
            "TaintToleration": taint_toleration.filter_node,
            "NodeAffinity": node_affinity.filter_of(profile.added_affinity),
            "NodePorts": node_ports.filter_node,
            "NodeResourcesFit": node_resources.filter_of(profile.ignored_resources, profile.ignored_groups),
        }
        self._filters = tuple(known[n] for n in FILTERS if n in known and n in profile.filters)
        weights = profile.weights
        self._fit = weights.get("NodeResourcesFit", 0)
        self._balance = weights.get("NodeResourcesBalancedAllocation", 0)
        self._images = weights.get("ImageLocality", 0)

    def refusal(self, pod: PodInfo, node: NodeInfo) -> Refusal | None:
        for judge in self._filters:
            refusal = judge(pod, node)
            if refusal is not None:
                return refusal
        return None

    def judge(self, pod: PodInfo, node: NodeInfo) -> Local:
        refusal = self.refusal(pod, node)
        if refusal is not None:
            return Local(node.version, refusal)
        score = 0
        if self._fit:
            score += self._fit * node_resources.score_node(pod, node, self._profile)
        if self._balance:
            score += self._balance * node_resources.balance_score(pod, node, self._profile.balanced_resources)
        if self._images and node.images:
            score += self._images * image_locality.score_node(pod, node, self._cache.images, len(self._cache.ordered))
        soft = taint_toleration.score_node(pod, node) if node.taints else 0
        return Local(node.version, None, score, soft, node_affinity.score_node(pod, node))
