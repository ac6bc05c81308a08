"""Who is next: the most important Pods; of equally important ones namespaces take turns, so that a flood in one does
not keep the others waiting; within a namespace whoever has waited longest."""

from __future__ import annotations

import heapq
import itertools
from collections import OrderedDict


class FairQueue:
    """Of Pods by uid. What was put in comes out once for each time; the caller knows which of them still count."""

    def __init__(self) -> None:
        self._order = itertools.count()
        self._priorities: list[int] = []  # a heap, the highest first
        self._waiting: dict[int, OrderedDict[str, list[tuple[float, int, str]]]] = {}

    def push(self, uid: str, *, priority: int, namespace: str, since: float) -> None:
        turns = self._waiting.get(priority)
        if turns is None:
            turns = self._waiting[priority] = OrderedDict()
            heapq.heappush(self._priorities, -priority)
        heapq.heappush(turns.setdefault(namespace, []), (since, next(self._order), uid))

    def pop(self) -> str | None:
        if not self._priorities:
            return None
        priority = -self._priorities[0]
        turns = self._waiting[priority]
        namespace, waiting = next(iter(turns.items()))
        _, _, uid = heapq.heappop(waiting)
        if waiting:
            turns.move_to_end(namespace)
        else:
            del turns[namespace]
        if not turns:
            del self._waiting[priority]
            heapq.heappop(self._priorities)
        return uid
