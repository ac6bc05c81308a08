"""ImageLocality: nodes that have the images already, weighed by size and by how many nodes have them."""

from __future__ import annotations

from collections.abc import Mapping

from sampan.scheduler.node_info import NodeInfo
from sampan.scheduler.pod_info import PodInfo

_LEAST, _MOST = 23 * 1024 * 1024, 1000 * 1024 * 1024


def score_node(pod: PodInfo, node: NodeInfo, spread: Mapping[str, int], nodes: int) -> int:
    """`spread`: how many of the nodes have an image, by name. An image that is everywhere tells most."""
    if not node.images:
        return 0
    containers = [*(pod.pod.spec.initContainers or ()), *pod.pod.spec.containers]
    names = [_full(c.image or "") for c in containers]
    total = sum(node.images.get(n, 0) * spread.get(n, 0) // max(nodes, 1) for n in names)
    most = _MOST * len(containers)
    total = min(max(total, _LEAST), most)
    return 100 * (total - _LEAST) // max(most - _LEAST, 1)


def _full(image: str) -> str:
    tag = image.rpartition("/")[2]
    return image if ":" in tag or "@" in tag else f"{image}:latest"
