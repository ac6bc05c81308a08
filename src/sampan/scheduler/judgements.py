"""Every node by itself, judged once for all Pods that want the same of a node, and judged again when it changes.

Where nothing else counts there is a ranking, with the best node on top.
"""

from __future__ import annotations

import heapq
import random
from copy import copy

from sampan.scheduler.cache import NodeCache
from sampan.scheduler.filtering import Local, LocalJudge
from sampan.scheduler.node_info import NodeInfo
from sampan.scheduler.pod_info import PodInfo
from sampan.scheduler.verdict import Refusal

Entry = tuple[int, float, str, int]  # worst score first, chance, node, version


class Judgements:
    def __init__(self, pod: PodInfo, cache: NodeCache, judge: LocalJudge) -> None:
        """`pod` stands for all that want the same."""
        self._pod = copy(pod)  # the cache goes on to change its own: it will be bound
        self._cache = cache
        self._judge = judge
        self._comparing = 0  # nodes whose scores mean something only beside the others'
        self._heap: list[Entry] | None = None
        self._position = cache.position
        self.local: dict[str, Local] = {}
        for name in cache.ordered:
            self._look_at(name)

    def catch_up(self) -> None:
        if self._position == self._cache.position:
            return
        changed = self._cache.changed_since(self._position)
        self._position = self._cache.position
        for name in self.local.keys() | set(self._cache.ordered) if changed is None else changed:
            self._look_at(name)

    def refusal(self, variant: NodeInfo) -> Refusal | None:
        """Of a node in another state than the cache's."""
        return self._judge.refusal(self._pod, variant)

    @property
    def comparing(self) -> bool:
        """Whether some scores have to be compared: then the ranking says nothing."""
        return self._comparing > 0

    def best(self) -> str:
        """The best node by itself, equals by chance; empty when none will do."""
        heap, local = self._ranking(), self.local
        while heap:
            _, _, name, version = heap[0]
            judged = local.get(name)
            if judged is not None and judged.version == version:
                return name
            heapq.heappop(heap)  # of a state that the node is in no longer
        return ""

    def _look_at(self, name: str) -> None:
        old = self.local.pop(name, None)
        if old is not None:
            self._comparing -= old.compares
        node = self._cache.nodes.get(name)
        if node is None or node.node is None:
            return
        local = self.local[name] = self._judge.judge(self._pod, node)
        self._comparing += local.compares
        if self._heap is not None and local.refusal is None:
            heapq.heappush(self._heap, (-local.score, random.random(), name, local.version))

    def _ranking(self) -> list[Entry]:
        heap = self._heap
        if heap is None or len(heap) > 4 * len(self.local) + 64:
            heap = self._heap = [
                (-judged.score, random.random(), name, judged.version)
                for name, judged in self.local.items()
                if judged.refusal is None
            ]
            heapq.heapify(heap)
        return heap
