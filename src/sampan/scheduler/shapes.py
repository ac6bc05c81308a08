"""The fast path: Pods of one shape share one ranking of the nodes, kept up to date node by node.

Placing a Pod changes one node, so only that node is judged again for each shape that is in use: the cost of a Pod does
not grow with the number of nodes. Only for Pods whose nodes can each be judged by themselves (`PodInfo.simple`), and
only while nothing on the cluster looks across nodes (affinity of running Pods, soft taints).
"""

from __future__ import annotations

import heapq
import random
from collections import OrderedDict

from sampan.scheduler.cache import NodeCache
from sampan.scheduler.config import SchedulerConfig
from sampan.scheduler.filtering import judge_alone
from sampan.scheduler.pod_info import PodInfo
from sampan.scheduler.scoring import image_spread, score_alone
from sampan.scheduler.verdict import Refusal

REMEMBERED = 64


class Ranking:
    """The nodes for one shape, the best on top; entries of nodes that have changed since are skipped."""

    def __init__(self, pod: PodInfo, cache: NodeCache, config: SchedulerConfig) -> None:
        self._cache = cache
        self._config = config
        self._images = image_spread(cache)
        self._heap: list[tuple[int, float, str, int]] = []
        self.refusals: dict[str, Refusal] = {}
        self._position = cache.position
        for name in cache.ordered:
            self._judge(pod, name)

    def best(self, pod: PodInfo) -> str | None:
        self._catch_up(pod)
        heap, nodes = self._heap, self._cache.nodes
        while heap:
            _, _, name, version = heap[0]
            node = nodes.get(name)
            if node is not None and node.version == version and node.node is not None:
                return name
            heapq.heappop(heap)
        return None

    def _catch_up(self, pod: PodInfo) -> None:
        changed = self._cache.changed_since(self._position)
        self._position = self._cache.position
        if changed is None:
            changed = set(self._cache.ordered) | set(self.refusals)
        for name in changed:
            self._judge(pod, name)
        if len(self._heap) > 4 * len(self._cache.ordered) + 64:
            nodes = self._cache.nodes
            self._heap = [e for e in self._heap if e[2] in nodes and nodes[e[2]].version == e[3]]
            heapq.heapify(self._heap)

    def _judge(self, pod: PodInfo, name: str) -> None:
        self.refusals.pop(name, None)
        node = self._cache.nodes.get(name)
        if node is None or node.node is None:
            return
        refusal = judge_alone(pod, node)
        if refusal is not None:
            self.refusals[name] = refusal
            return
        score = score_alone(pod, node, self._config, self._images)
        heapq.heappush(self._heap, (-score, random.random(), name, node.version))


class Rankings:
    def __init__(self, cache: NodeCache, config: SchedulerConfig) -> None:
        self._cache = cache
        self._config = config
        self._known: OrderedDict[bytes, Ranking] = OrderedDict()

    def of(self, pod: PodInfo) -> Ranking:
        ranking = self._known.get(pod.shape)
        if ranking is None:
            ranking = self._known[pod.shape] = Ranking(pod, self._cache, self._config)
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(pod.shape)
        return ranking
