"""What Pods of one shape share: judgements of every node, and counts over the whole cluster, kept up to date.

Placing a Pod changes one node. Each shape that is in use hears of it when it is asked next, and counts that node
anew. So the cost of a Pod does not grow with the number of nodes, nor with the number of Pods on them.

A shape is what decides where a Pod may go: what it wants of a node by itself (`judgements.py`, shared by many shapes),
and what it and others ask of Pods nearby.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy

import msgspec

from sampan.api.types import meta_v1
from sampan.scheduler.cache import NodeCache
from sampan.scheduler.config import Profile
from sampan.scheduler.decision import Decision
from sampan.scheduler.filtering import LocalJudge
from sampan.scheduler.judgements import Judgements
from sampan.scheduler.node_info import NodeInfo
from sampan.scheduler.plugins.inter_pod_affinity import Counts, NamespaceLabels
from sampan.scheduler.plugins.pod_topology_spread import Spread
from sampan.scheduler.pod_info import PodInfo
from sampan.scheduler.verdict import Refusal

MOST, FEWEST = 64, 8
MOST_SHAPES = 256
MOST_JUDGEMENTS = 200_000  # of all that are remembered together

Key = tuple[bytes, bytes, bytes, bool, str, frozenset[tuple[str, str]]]


class Shape:
    def __init__(
        self,
        cache: NodeCache,
        judgements: Judgements,
        *,
        counts: Counts | None = None,
        spread: Spread | None = None,
        filters: frozenset[str],
    ) -> None:
        """Counts may be there for scores alone: `filters` says what may refuse."""
        self._cache = cache
        self._judgements = judgements
        self.local = judgements.local
        self.counts = counts
        self.spread = spread
        across = []
        if spread is not None and spread.hard and "PodTopologySpread" in filters:
            across.append(spread.filter_node)
        if counts is not None and "InterPodAffinity" in filters:
            across.append(counts.filter_node)
        self._across = across
        self.hopeless: dict[tuple[int, bool], Decision] = {}  # what was said to Pods of a priority, and still holds
        self._position = cache.position
        self._count_all()

    def catch_up(self) -> None:
        self._judgements.catch_up()
        if self._position == self._cache.position:
            return
        self.hopeless.clear()
        changed = self._cache.changed_since(self._position)
        self._position = self._cache.position
        for name in self._cache.ordered if changed is None else changed:
            self._count(name, self._cache.existing(name))

    def _count_all(self) -> None:
        """Where only Pods count, nodes without any of them are not looked at."""
        spread = self.spread
        if spread is not None:
            names = self._cache.ordered if spread.hard else self._cache.with_pods_of(spread.namespace)
            for name in names:
                spread.update(name, self._cache.existing(name))
        if self.counts is not None:
            for name in self._cache.ordered:
                self.counts.update(name, self._cache.existing(name))

    def _count(self, name: str, node: NodeInfo | None) -> None:
        if self.spread is not None:
            self.spread.update(name, node)
        if self.counts is not None:
            self.counts.update(name, node)

    @property
    def by_itself(self) -> bool:
        """Whether each node can be judged by itself: then the ranking decides."""
        return self.spread is None and self.counts is None and not self._judgements.comparing

    def best(self) -> str:
        return self._judgements.best()

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

    def local_refusal(self, variant: NodeInfo) -> Refusal | None:
        return self._judgements.refusal(variant)

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
            self._count(variant.name, self._cache.existing(variant.name))


class Shapes:
    """Those of one profile that were asked for lately."""

    def __init__(self, cache: NodeCache, profile: Profile, namespaces: NamespaceLabels) -> None:
        self._cache = cache
        self._profile = profile
        self._namespaces = namespaces
        self._judge = LocalJudge(profile, cache)
        self._used = profile.filters | profile.weights.keys()
        self._known: OrderedDict[Key, Shape] = OrderedDict()
        self._judgements: OrderedDict[bytes, Judgements] = OrderedDict()

    def of(self, pod: PodInfo, default_selector: meta_v1.LabelSelector | None) -> Shape:
        """Up to date."""
        asked = "InterPodAffinity" in self._used and (pod.affine or self._cache.with_affinity > 0)
        across = pod.choosy or asked
        counted = b"" if default_selector is None else msgspec.json.encode(default_selector)
        # Its namespace matters where Pods are counted, its labels where others' rules or its own are about them.
        namespace = pod.namespace if across or counted else ""
        labels: frozenset[tuple[str, str]] = frozenset(pod.labels.items()) if across else frozenset()
        key = (pod.wish, pod.company, counted, asked, namespace, labels)
        shape = self._known.get(key)
        if shape is None:
            shape = self._known[key] = self._made(pod, default_selector, asked=asked)
            while len(self._known) > MOST_SHAPES:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(key)
            self._judgements.move_to_end(pod.wish)
            shape.catch_up()
        return shape

    def forget(self) -> None:
        """What the shapes know may be wrong: a namespace has other labels."""
        self._known.clear()

    def _made(self, pod: PodInfo, default_selector: meta_v1.LabelSelector | None, *, asked: bool) -> Shape:
        """`asked`: whether Pods ask something of each other."""
        profile = self._profile
        judgements = self._judged(pod)
        pod = copy(pod)  # the cache goes on to change its own: it will be bound
        counts = spread = None
        if asked:
            counts = Counts(
                pod,
                self._namespaces,
                hard_weight=profile.hard_affinity_weight,
                ignore_existing_preferences=profile.ignore_existing_preferences,
            )
        constrained = bool(pod.pod.spec.topologySpreadConstraints) or default_selector is not None
        if constrained and "PodTopologySpread" in self._used:
            spread = Spread(pod, profile.default_constraints, default_selector, lenient=profile.system_defaults)
        return Shape(self._cache, judgements, counts=counts, spread=spread, filters=profile.filters)

    def _judged(self, pod: PodInfo) -> Judgements:
        found = self._judgements.get(pod.wish)
        if found is None:
            found = self._judgements[pod.wish] = Judgements(pod, self._cache, self._judge)
            self._forget_oldest()
        else:
            self._judgements.move_to_end(pod.wish)
            found.catch_up()
        return found

    def _forget_oldest(self) -> None:
        """With the judgements go the shapes that stand on them."""
        capacity = max(FEWEST, min(MOST, MOST_JUDGEMENTS // (len(self._cache.ordered) + 1)))
        while len(self._judgements) > capacity:
            wish, _ = self._judgements.popitem(last=False)
            self._known = OrderedDict((k, s) for k, s in self._known.items() if k[0] != wish)
