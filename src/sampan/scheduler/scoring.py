"""How good each node would be: plugins' scores, normalised to 0..100, weighted, added."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sampan.scheduler.cache import NodeCache
from sampan.scheduler.config import SchedulerConfig
from sampan.scheduler.filtering import Cycle
from sampan.scheduler.node_info import NodeInfo
from sampan.scheduler.plugins import image_locality, node_affinity, node_resources, taint_toleration
from sampan.scheduler.plugins.pod_topology_spread import Spread
from sampan.scheduler.pod_info import PodInfo


def score_alone(pod: PodInfo, node: NodeInfo, config: SchedulerConfig, images: dict[str, float]) -> int:
    """The scores that need no comparison with other nodes."""
    weights = config.weights
    return (
        weights.get("NodeResourcesFit", 0) * node_resources.score_node(pod, node, config)
        + weights.get("NodeResourcesBalancedAllocation", 0) * node_resources.balance_score(pod, node)
        + weights.get("ImageLocality", 0) * image_locality.score_node(pod, node, images)
    )


def scores(
    cycle: Cycle, nodes: Sequence[NodeInfo], config: SchedulerConfig, images: dict[str, float]
) -> dict[str, int]:
    pod = cycle.pod
    total = {n.name: score_alone(pod, n, config, images) for n in nodes}
    weights = config.weights
    _add(total, reversed_(taint_toleration.score_node(pod, n) for n in nodes), nodes, weights.get("TaintToleration", 0))
    _add(total, scaled([node_affinity.score_node(pod, n) for n in nodes]), nodes, weights.get("NodeAffinity", 0))
    if cycle.counts is not None and cycle.counts.score:
        raw = [cycle.counts.score_node(n) for n in nodes]
        _add(total, spanned(raw), nodes, weights.get("InterPodAffinity", 0))
    if cycle.spread is not None and cycle.spread.soft:
        even = Spread.normalized({n.name: cycle.spread.score_node(n) for n in nodes})
        weight = weights.get("PodTopologySpread", 0)
        for name, score in even.items():
            total[name] += weight * score
    return total


def _add(total: dict[str, int], values: Sequence[int], nodes: Sequence[NodeInfo], weight: int) -> None:
    for node, value in zip(nodes, values, strict=True):
        total[node.name] += weight * value


def scaled(raw: Sequence[int]) -> list[int]:
    most = max(raw, default=0)
    return [v * 100 // most for v in raw] if most else list(raw)


def reversed_(raw: Iterable[int]) -> list[int]:
    values = list(raw)
    most = max(values, default=0)
    return [100 - v * 100 // most for v in values] if most else [100] * len(values)


def spanned(raw: Sequence[int]) -> list[int]:
    """From the least to the most: 0 to 100."""
    least, most = min(raw, default=0), max(raw, default=0)
    span = most - least
    return [100 * (v - least) // span for v in raw] if span else [0] * len(raw)


def image_spread(cache: NodeCache) -> dict[str, float]:
    """The share of nodes that have an image."""
    counted: dict[str, int] = {}
    for name in cache.ordered:
        for image in cache.nodes[name].images:
            counted[image] = counted.get(image, 0) + 1
    nodes = max(len(cache.ordered), 1)
    return {image: number / nodes for image, number in counted.items()}
