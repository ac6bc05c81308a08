"""NodeResourcesFit and NodeResourcesBalancedAllocation: requests against what is left; nothing but requests counts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence, Set

from sampan.scheduler.config import Profile
from sampan.scheduler.node_info import NodeInfo
from sampan.scheduler.pod_info import PodInfo
from sampan.scheduler.verdict import Refusal

PLUGIN = "NodeResourcesFit"
_TOO_MANY = "Too many pods"
_EVERYWHERE = ("cpu", "memory", "ephemeral-storage")  # what every node has, asked for or not


def filter_node(pod: PodInfo, node: NodeInfo) -> Refusal | None:
    allocatable, requested = node.allocatable, node.requested
    reasons: list[str] = []
    final = False
    if len(node.pods) + 1 > allocatable.get("pods", 0):
        reasons.append(_TOO_MANY)
    for name, amount in pod.requests.items():
        room = allocatable.get(name, 0)
        if amount > room - requested.get(name, 0):
            reasons.append(f"Insufficient {name}")
            final = final or amount > room
    return Refusal(PLUGIN, tuple(reasons), final) if reasons else None


def filter_of(ignored: Set[str], ignored_groups: Set[str]) -> Callable[[PodInfo, NodeInfo], Refusal | None]:
    """The filter, blind for resources that somebody else (an extender, a device manager) takes care of."""
    if not ignored and not ignored_groups:
        return filter_node

    def filter_some(pod: PodInfo, node: NodeInfo) -> Refusal | None:
        refusal = filter_node(pod, node)
        if refusal is None:
            return None
        reasons = tuple(r for r in refusal.reasons if not _is_ignored(r, ignored, ignored_groups))
        return refusal._replace(reasons=reasons) if reasons else None

    return filter_some


def _is_ignored(reason: str, ignored: Set[str], groups: Set[str]) -> bool:
    name = reason.removeprefix("Insufficient ")
    return name in ignored or name.partition("/")[0] in groups


def score_node(pod: PodInfo, node: NodeInfo, profile: Profile) -> int:
    """The weighted mean over resources of how empty (or full) the node would be."""
    ratio = profile.strategy == "RequestedToCapacityRatio"
    total = weights = 0
    for name, weight in profile.resource_weights.items():
        capacity = node.allocatable.get(name, 0)
        if not capacity or (name not in _EVERYWHERE and not pod.requests.get(name)):
            continue  # what the node does not have, and special resources that the Pod does not ask for
        score = _score(_wanted(pod, node, name), capacity, profile)
        if ratio and not score:
            continue
        total += weight * score
        weights += weight
    if not weights:
        return 0
    return round(total / weights) if ratio else total // weights


def _wanted(pod: PodInfo, node: NodeInfo, name: str) -> int:
    if name == "cpu":
        return node.nonzero_cpu + pod.nonzero_cpu
    if name == "memory":
        return node.nonzero_memory + pod.nonzero_memory
    return node.requested.get(name, 0) + pod.requests.get(name, 0)


def _score(wanted: int, capacity: int, profile: Profile) -> int:
    if profile.strategy == "MostAllocated":
        return min(wanted, capacity) * 100 // capacity
    if profile.strategy == "RequestedToCapacityRatio":
        return _on_shape(min(100, wanted * 100 // capacity), profile.shape)
    return (capacity - wanted) * 100 // capacity if wanted <= capacity else 0


def _on_shape(utilization: int, shape: list[tuple[int, int]]) -> int:
    """Linear between the points, whose scores go up to 10 and mean tenths."""
    for at, (limit, score) in enumerate(shape):
        if utilization <= limit:
            if at == 0:
                return score * 10
            low, low_score = shape[at - 1]
            return low_score * 10 + int((score - low_score) * 10 * (utilization - low) / (limit - low))
    return shape[-1][1] * 10


def balance_score(pod: PodInfo, node: NodeInfo, resources: Sequence[str]) -> int:
    """High where the resources would be used to the same degree. Pods that ask for none of them are not drawn to the
    nodes that happen to be balanced."""
    if not any(pod.requests.get(name) for name in resources):
        return 0
    used = []
    for name in resources:
        capacity = node.allocatable.get(name, 0)
        if capacity and (name in _EVERYWHERE or pod.requests.get(name)):
            used.append(min(1.0, (node.requested.get(name, 0) + pod.requests.get(name, 0)) / capacity))
    deviation = 0.0
    if len(used) == 2:
        deviation = abs(used[0] - used[1]) / 2
    elif used:
        mean = sum(used) / len(used)
        deviation = math.sqrt(sum((u - mean) ** 2 for u in used) / len(used))
    return int((1 - deviation) * 100)
