"""How good each node would be: plugins' scores, normalised to 0..100, weighted, added."""

from __future__ import annotations

from collections.abc import Sequence

from sampan.scheduler.config import Profile
from sampan.scheduler.node_info import NodeInfo
from sampan.scheduler.shapes import Shape


def scores(shape: Shape, nodes: Sequence[NodeInfo], profile: Profile) -> list[int]:
    """Of nodes that will do, in their order."""
    weights = profile.weights
    judged = [shape.local[n.name] for n in nodes]
    total = [j.score for j in judged]
    soft = [j.soft_taints for j in judged]
    if any(soft):  # else all get the same
        _add(total, reversed_(soft), weights.get("TaintToleration", 0))
    preferred = [j.preferred for j in judged]
    if any(preferred):
        _add(total, scaled(preferred), weights.get("NodeAffinity", 0))
    if shape.counts is not None and shape.counts.scoring:
        _add(total, spanned(shape.counts.scores(nodes)), weights.get("InterPodAffinity", 0))
    if shape.spread is not None and shape.spread.soft:
        _add(total, shape.spread.scores(nodes), weights.get("PodTopologySpread", 0))
    return total


def _add(total: list[int], values: Sequence[int], weight: int) -> None:
    if weight:
        for at, value in enumerate(values):
            total[at] += weight * value


def scaled(raw: Sequence[int]) -> list[int]:
    most = max(raw, default=0)
    return [v * 100 // most for v in raw] if most else list(raw)


def reversed_(raw: Sequence[int]) -> list[int]:
    most = max(raw, default=0)
    return [100 - v * 100 // most for v in raw] if most else [100] * len(raw)


def spanned(raw: Sequence[int]) -> list[int]:
    """From the least to the most: 0 to 100."""
    least, most = min(raw, default=0), max(raw, default=0)
    span = most - least
    return [100 * (v - least) // span for v in raw] if span else [0] * len(raw)
