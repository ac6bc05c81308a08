"""One Pod's way, from the queue to its node:

    pop            the most important waiting Pod; namespaces take turns (`queue.py`)
    pre-filter     gates, claims: what makes looking at nodes useless
    filter         which nodes will do; Pods of one shape share what is known of each node (`shapes.py`)
    post-filter    none: would it help to remove less important Pods? (`post_filter.py`)
    score          the best of them; equals by chance (`scoring.py`)
    reserve        counted there from now on (`cache.assume`), so that the next Pod sees it
    bind           told to the API server, several at a time; a failure takes the reservation back (`binder.py`)

The first five are synchronous and never wait; binding goes on beside them.
"""

from __future__ import annotations

import random
from itertools import chain, islice

from sampan.api.types import meta_v1
from sampan.scheduler.config import Profile
from sampan.scheduler.cycle import Cycle, World
from sampan.scheduler.decision import Decision
from sampan.scheduler.node_info import NodeInfo
from sampan.scheduler.plugins.volumes import PLUGIN as VOLUME_PLUGIN
from sampan.scheduler.plugins.volumes import Claims
from sampan.scheduler.pod_info import PodInfo
from sampan.scheduler.post_filter import post_filter
from sampan.scheduler.scoring import scores
from sampan.scheduler.shapes import Shapes
from sampan.scheduler.verdict import PREEMPTION_USELESS, fit_message, preemption_message

LEAST_NODES = 100


class Scheduler:
    """For one profile."""

    def __init__(self, world: World, profile: Profile) -> None:
        self.world = world
        self.profile = profile
        self.shapes = Shapes(world.cache, profile, world.namespaces)
        self._next = 0  # where sampling goes on

    def decide(self, pod: PodInfo) -> Decision:
        world = self.world
        if not world.cache.ordered:
            return Decision(message="no nodes available to schedule pods")
        shape = self.shapes.of(pod, self._default_selector(pod))
        cycle = Cycle(pod, world, self.profile, shape)
        if cycle.claims is not None and cycle.claims.problem:
            return self._claims_missing(cycle.claims)
        # Whoever is not asked about volumes, and meets no one's reserved room, fares as all of its shape.
        alike = cycle.claims is None and not world.nominated
        if alike and shape.by_itself:
            name = shape.best()
            return Decision(node=name) if name else self._none_fits(pod, cycle, alike=True)
        nominated = self._on_nominated_node(pod, cycle)
        if nominated is not None:
            return self._on(cycle, nominated)
        if alike and (known := shape.hopeless.get(_rank(pod))) is not None:
            return known
        feasible = self._filter(cycle)
        if not feasible:
            return self._none_fits(pod, cycle, alike=alike)
        total = scores(shape, feasible, self.profile)
        best = max(total)
        return self._on(cycle, random.choice([n for n, s in zip(feasible, total, strict=True) if s == best]))

    def _default_selector(self, pod: PodInfo) -> meta_v1.LabelSelector | None:
        if not self.profile.default_constraints or pod.pod.spec.topologySpreadConstraints:
            return None
        return self.world.default_selector(pod)

    def _on(self, cycle: Cycle, node: NodeInfo) -> Decision:
        waiting = cycle.claims.waiting if cycle.claims is not None else []
        return Decision(node=node.name, waiting=waiting, volumes=cycle.volumes_for(node))

    def _claims_missing(self, claims: Claims) -> Decision:
        total = len(self.world.cache.ordered)
        if claims.missing:
            message = f"0/{total} nodes are available: {claims.problem}. not found"
        else:
            useless = preemption_message(total, dict.fromkeys(self.world.cache.ordered, PREEMPTION_USELESS))
            message = fit_message(total, {}, prefilter=claims.problem, preemption=useless)
        return Decision(message=message, plugins=frozenset({VOLUME_PLUGIN}), hopeless=True)

    def _on_nominated_node(self, pod: PodInfo, cycle: Cycle) -> NodeInfo | None:
        """Room was made for it there: no need to look elsewhere."""
        name = self.world.nominated.node_of(pod.uid) or pod.pod.status.nominatedNodeName or ""
        node = self.world.cache.nodes.get(name)
        if node is None or node.node is None:
            return None
        return node if cycle.refusal(node) is None else None

    def _filter(self, cycle: Cycle) -> list[NodeInfo]:
        """Enough nodes that will do; on large clusters not all are looked at, and each time others."""
        names = self.world.cache.ordered
        start = self._next % len(names)
        around = chain(islice(names, start, None), islice(names, start))
        feasible, seen = cycle.feasible(around, self._enough(len(names)))
        self._next = start + seen
        return feasible

    def _enough(self, nodes: int) -> int:
        share = self.profile.percentage_of_nodes_to_score
        if nodes <= LEAST_NODES or share >= 100:
            return nodes
        if not share:
            share = max(50 - nodes // 125, 5)
        return max(nodes * share // 100, LEAST_NODES)

    def _none_fits(self, pod: PodInfo, cycle: Cycle, *, alike: bool) -> Decision:
        """`alike`: all of this shape and rank are told the same, until something changes."""
        known = cycle.shape.hopeless.get(_rank(pod)) if alike else None
        if known is not None:
            return known
        nodes = self.world.cache.nodes
        total = len(self.world.cache.ordered)
        found = ((name, cycle.refusal(nodes[name])) for name in self.world.cache.ordered)
        refusals = {name: refusal for name, refusal in found if refusal is not None}
        outcome = post_filter(pod, cycle, self.world, self.profile, refusals)
        decision = Decision(
            message=fit_message(total, refusals, preemption=outcome.message),
            plugins=frozenset(r.plugin for r in refusals.values()),
            refusals=refusals,
            preempt=outcome.chosen,
            hopeless=outcome.hopeless,
        )
        if alike and outcome.hopeless:
            cycle.shape.hopeless[_rank(pod)] = decision
        return decision


def _rank(pod: PodInfo) -> tuple[int, bool]:
    return pod.priority, pod.pod.spec.preemptionPolicy == "Never"
