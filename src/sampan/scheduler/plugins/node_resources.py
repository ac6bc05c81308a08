"""NodeResourcesFit and NodeResourcesBalancedAllocation: requests against what is left; nothing but requests counts."""

from __future__ import annotations

from sampan.scheduler.config import SchedulerConfig
from sampan.scheduler.node_info import NodeInfo
from sampan.scheduler.pod_info import PodInfo
from sampan.scheduler.verdict import Refusal

PLUGIN = "NodeResourcesFit"
_TOO_MANY = "Too many pods"


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


def score_node(pod: PodInfo, node: NodeInfo, config: SchedulerConfig) -> int:
    """The weighted mean over resources of how empty (or full) the node would be."""
    total = weights = 0
    for name, weight in config.resource_weights.items():
        capacity = node.allocatable.get(name, 0)
        if not capacity:
            continue
        wanted = _wanted(pod, node, name)
        total += weight * _score(wanted, capacity, config)
        weights += weight
    return total // weights if weights else 0


def _wanted(pod: PodInfo, node: NodeInfo, name: str) -> int:
    if name == "cpu":
        return node.nonzero_cpu + pod.nonzero_cpu
    if name == "memory":
        return node.nonzero_memory + pod.nonzero_memory
    return node.requested.get(name, 0) + pod.requests.get(name, 0)


def _score(wanted: int, capacity: int, config: SchedulerConfig) -> int:
    if config.strategy == "MostAllocated":
        return min(wanted, capacity) * 100 // capacity
    if config.strategy == "RequestedToCapacityRatio":
        return _on_shape(min(100, wanted * 100 // capacity), config.shape) * 10
    return (capacity - wanted) * 100 // capacity if wanted <= capacity else 0


def _on_shape(utilization: int, shape: list[tuple[int, int]]) -> int:
    """Linear between the points."""
    for at, (limit, score) in enumerate(shape):
        if utilization <= limit:
            if at == 0:
                return score
            low, low_score = shape[at - 1]
            return low_score + (score - low_score) * (utilization - low) // max(limit - low, 1)
    return shape[-1][1]


def balance_score(pod: PodInfo, node: NodeInfo) -> int:
    """High where cpu and memory would be used to the same degree."""
    cpu, memory = node.allocatable.get("cpu", 0), node.allocatable.get("memory", 0)
    if not cpu or not memory:
        return 0
    used_cpu = min(1.0, (node.requested.get("cpu", 0) + pod.requests.get("cpu", 0)) / cpu)
    used_memory = min(1.0, (node.requested.get("memory", 0) + pod.requests.get("memory", 0)) / memory)
    return int((1 - abs(used_cpu - used_memory) / 2) * 100)
