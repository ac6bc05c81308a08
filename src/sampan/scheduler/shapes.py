"""What Pods of one shape share: every node judged once, and counts over the whole cluster, kept up to date.

Placing a Pod changes one node. Each shape that is in use hears of it when it is asked next, judges that node again and
counts it anew. So the cost of a Pod does not grow with the number of nodes, nor with the number of Pods on them.

For Pods whose nodes can each be judged by themselves there is a ranking as well, with the best node on top.
"""

from __future__ import annotations

import heapq
import random
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy

import msgspec

from sampan.api.types import meta_v1
from sampan.scheduler.cache import NodeCache
from sampan.scheduler.config import Profile
from sampan.scheduler.decision import Decision
from sampan.scheduler.filtering import Local, LocalJudge
from sampan.scheduler.node_info import NodeInfo
from sampan.scheduler.plugins.inter_pod_affinity import Counts, NamespaceLabels
from sampan.scheduler.plugins.pod_topology_spread import Spread
from sampan.scheduler.pod_info import PodInfo
from sampan.scheduler.verdict import Refusal

MOST_SHAPES, FEWEST_SHAPES = 64, 8
MOST_JUDGEMENTS = 200_000  # of all shapes together


class Shape:
    def __init__(
        self,
        pod: PodInfo,
        cache: NodeCache,
        judge: LocalJudge,
        *,
        counts: Counts | None = None,
        spread: Spread | None = None,
        filters: frozenset[str],
    ) -> None:
        """`pod` stands for all of its shape. Counts may be there for scores alone: `filters` says what may refuse."""
        self._pod = pod
        self._cache = cache
        self._judge = judge
        self.counts = counts
        self.spread = spread
        across = []
        if spread is not None and spread.hard and "PodTopologySpread" in filters:
            across.append(spread.filter_node)
        if counts is not None and "InterPodAffinity" in filters:
            across.append(counts.filter_node)
        self._across = across
        self.local: dict[str, Local] = {}
        self.hopeless: dict[tuple[int, bool], Decision] = {}  # what was said to Pods of a priority, and still holds
        self._comparing = 0  # nodes whose scores mean something only beside the others'
        self._heap: list[tuple[int, float, str, int]] | None = None
        self._position = cache.position
        for name in cache.ordered:
            self._look_at(name)

    def catch_up(self) -> None:
        if self._position == self._cache.position:
            return
        self.hopeless.clear()
        changed = self._cache.changed_since(self._position)
        self._position = self._cache.position
        for name in self.local.keys() | set(self._cache.ordered) if changed is None else changed:
            self._look_at(name)

    def _look_at(self, name: str) -> None:
        node = self._cache.nodes.get(name)
        if node is not None and node.node is None:
            node = None
        self._count(name, node)
        old = self.local.pop(name, None)
        if old is not None:
            self._comparing -= old.compares
        if node is None:
            return
        local = self.local[name] = self._judge.judge(self._pod, node)
        self._comparing += local.compares
        if self._heap is not None and local.refusal is None:
            heapq.heappush(self._heap, (-local.score, random.random(), name, local.version))

    def _count(self, name: str, node: NodeInfo | None) -> None:
        if self.spread is not None:
            self.spread.update(name, node)
        if self.counts is not None:
            self.counts.update(name, node)

    # -- judging -----------------------------------------------------------------------------------------------------

    @property
    def filters_across(self) -> bool:
        return bool(self._across)

    def refusal(self, node: NodeInfo) -> Refusal | None:
        """Of the filters that look across nodes."""
        for judge in self._across:
            refusal = judge(node)
            if refusal is not None:
                return refusal
        return None

    def local_refusal(self, node: NodeInfo) -> Refusal | None:
        return self._judge.refusal(self._pod, node)

    @contextmanager
    def as_if(self, variant: NodeInfo) -> Iterator[None]:
        """Counts as if the node of this name were `variant`: Pods removed by preemption, or added."""
        if self.spread is None and self.counts is None:
            yield
            return
        self._count(variant.name, variant)
        try:
            yield
        finally:
            self._count(variant.name, self._cache.nodes.get(variant.name))

    @property
    def by_itself(self) -> bool:
        """Whether each node can be judged by itself: then there is a ranking."""
        return self.spread is None and self.counts is None and not self._comparing

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

    def _ranking(self) -> list[tuple[int, float, str, int]]:
        heap = self._heap
        if heap is None or len(heap) > 4 * len(self.local) + 64:
            heap = self._heap = [
                (-judged.score, random.random(), name, judged.version)
                for name, judged in self.local.items()
                if judged.refusal is None
            ]
            heapq.heapify(heap)
        return heap


class Shapes:
    """Those of one profile that were asked for lately."""

    def __init__(self, cache: NodeCache, profile: Profile, namespaces: NamespaceLabels) -> None:
        self._cache = cache
        self._profile = profile
        self._namespaces = namespaces
        self._judge = LocalJudge(profile, cache)
        self._used = profile.filters | profile.weights.keys()
        self._known: OrderedDict[object, Shape] = OrderedDict()

    def of(self, pod: PodInfo, default_selector: meta_v1.LabelSelector | None) -> Shape:
        """Up to date."""
        asked = "InterPodAffinity" in self._used and (pod.affine or self._cache.with_affinity > 0)
        across = pod.choosy or asked
        counted = b"" if default_selector is None else msgspec.json.encode(default_selector)
        # Its namespace matters where Pods are counted, its labels where others' rules or its own are about them.
        namespace = pod.namespace if across or counted else ""
        labels = frozenset(pod.labels.items()) if across else frozenset()
        key = (pod.wish, counted, asked, namespace, labels)
        shape = self._known.get(key)
        if shape is None:
            shape = self._known[key] = self._made(pod, default_selector, asked=asked)
            while len(self._known) > self._capacity():
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(key)
            shape.catch_up()
        return shape

    def forget(self) -> None:
        """What the shapes know may be wrong: a namespace has other labels."""
        self._known.clear()

    def _made(self, pod: PodInfo, default_selector: meta_v1.LabelSelector | None, *, asked: bool) -> Shape:
        """`asked`: whether Pods ask something of each other."""
        profile, used = self._profile, self._used
        pod = copy(pod)  # the cache goes on to change its own: it will be bound
        counts = spread = None
        if asked:
            counts = Counts(
                pod,
                self._namespaces,
                hard_weight=profile.hard_affinity_weight,
                ignore_existing_preferences=profile.ignore_existing_preferences,
            )
        if "PodTopologySpread" in used and (pod.pod.spec.topologySpreadConstraints or default_selector is not None):
            spread = Spread(pod, profile.default_constraints, default_selector, lenient=profile.system_defaults)
        return Shape(pod, self._cache, self._judge, counts=counts, spread=spread, filters=profile.filters)

    def _capacity(self) -> int:
        return max(FEWEST_SHAPES, min(MOST_SHAPES, MOST_JUDGEMENTS // (len(self._cache.ordered) + 1)))
