"""One Pod's way, from the queue to its node:

    pop            the most important waiting Pod, the longest waiting first
    pre-filter     gates, claims: what makes looking at nodes useless
    filter         which nodes will do (the shared ranking for simple Pods, every node for the others)
    post-filter    none: would it help to remove less important Pods? (`preemption.py`)
    score          the best of them; equals by chance
    reserve        counted there from now on (`cache.assume`), so that the next Pod sees it
    bind           told to the API server, several at a time; a failure takes the reservation back

The first five are synchronous and never wait; binding goes on beside them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

from msgspec import Struct, field

from sampan.api.types import core_v1, meta_v1
from sampan.scheduler.cache import NodeCache
from sampan.scheduler.config import SchedulerConfig
from sampan.scheduler.filtering import Cycle
from sampan.scheduler.node_info import NodeInfo
from sampan.scheduler.plugins.inter_pod_affinity import NamespaceLabels
from sampan.scheduler.plugins.volumes import PLUGIN as VOLUME_PLUGIN
from sampan.scheduler.plugins.volumes import Claims, Lookups
from sampan.scheduler.pod_info import PodInfo
from sampan.scheduler.preemption import Budget, Candidate, choose, find_victims, outcome_of
from sampan.scheduler.scoring import image_spread, scores
from sampan.scheduler.shapes import Rankings
from sampan.scheduler.verdict import NO_VICTIMS, PREEMPTION_USELESS, Refusal, fit_message, preemption_message

LEAST_NODES = 100
CANDIDATES = 100


class Decision(Struct, kw_only=True):
    """What became of one Pod: a node, or why not."""

    node: str = ""
    message: str = ""
    plugins: frozenset[str] = frozenset()
    refusals: dict[str, Refusal] = field(default_factory=dict)
    preempt: Candidate | None = None
    hopeless: bool = False  # nobody who could go: room that was kept for it is kept in vain
    waiting: list[core_v1.PersistentVolumeClaim] = field(default_factory=list)  # to be told the node


class World(Struct, kw_only=True):
    """What decisions are made from."""

    cache: NodeCache
    config: SchedulerConfig
    lookups: Lookups
    namespaces: NamespaceLabels
    budgets: Callable[[], list[Budget]]
    default_selector: Callable[[PodInfo], meta_v1.LabelSelector | None]
    nominated: dict[str, tuple[str, PodInfo]] = field(default_factory=dict)  # uid → node that victims are leaving


class Scheduler:
    def __init__(self, world: World) -> None:
        self.world = world
        self._rankings = Rankings(world.cache, world.config)
        self._next = 0  # where sampling goes on
        self._images: dict[str, float] = {}
        self._images_of = -1

    def decide(self, pod: PodInfo) -> Decision:
        world = self.world
        if not world.cache.ordered:
            return Decision(message="no nodes available to schedule pods", plugins=frozenset())
        selector = world.default_selector(pod) if world.config.default_spread else None
        if self._is_plain(pod, selector):
            return self._by_ranking(pod)
        cycle = Cycle(pod, world.cache, world.namespaces, world.lookups, selector)
        if cycle.claims.problem:
            return self._claims_missing(cycle.claims)
        nominated = self._on_nominated_node(pod, cycle)
        if nominated:
            return Decision(node=nominated, waiting=cycle.claims.waiting)
        feasible, refusals = self._filter(pod, cycle)
        if not feasible:
            return self._none_fits(pod, cycle, refusals)
        total = scores(cycle, feasible, world.config, self._image_spread())
        best = max(total.values())
        name = random.choice([n for n, s in total.items() if s == best])
        return Decision(node=name, waiting=cycle.claims.waiting, refusals=refusals)

    def _is_plain(self, pod: PodInfo, selector: meta_v1.LabelSelector | None) -> bool:
        cache = self.world.cache
        affinity = pod.pod.spec.affinity
        near = affinity.nodeAffinity if affinity is not None else None
        prefers = near is not None and bool(near.preferredDuringSchedulingIgnoredDuringExecution)
        return (
            pod.simple
            and selector is None
            and not prefers
            and not cache.with_affinity
            and not cache.soft_taints
            and not self.world.nominated
        )

    def _by_ranking(self, pod: PodInfo) -> Decision:
        ranking = self._rankings.of(pod)
        name = ranking.best(pod)
        if name is not None:
            return Decision(node=name)
        world = self.world
        cycle = Cycle(pod, world.cache, world.namespaces, world.lookups, None)
        return self._none_fits(pod, cycle, dict(ranking.refusals))

    def _claims_missing(self, claims: Claims) -> Decision:
        total = len(self.world.cache.ordered)
        text = f"{claims.problem}. not found" if claims.missing else claims.problem
        if claims.missing:
            message = f"0/{total} nodes are available: {text}"
        else:
            useless = preemption_message(total, dict.fromkeys(self.world.cache.ordered, PREEMPTION_USELESS))
            message = fit_message(total, {}, prefilter=text, preemption=useless)
        return Decision(message=message, plugins=frozenset({VOLUME_PLUGIN}))

    def _on_nominated_node(self, pod: PodInfo, cycle: Cycle) -> str:
        name = pod.pod.status.nominatedNodeName or ""
        node = self.world.cache.nodes.get(name)
        if not name or node is None or node.node is None:
            return ""
        return name if self._judge(pod, cycle, node) is None else ""

    def _filter(self, pod: PodInfo, cycle: Cycle) -> tuple[list[NodeInfo], dict[str, Refusal]]:
        """Enough nodes that will do; on large clusters not all are looked at, and each time others."""
        cache = self.world.cache
        names = cache.ordered
        enough = self._enough(len(names))
        feasible: list[NodeInfo] = []
        refusals: dict[str, Refusal] = {}
        for at in range(len(names)):
            name = names[(self._next + at) % len(names)]
            node = cache.nodes[name]
            refusal = self._judge(pod, cycle, node)
            if refusal is not None:
                refusals[name] = refusal
                continue
            feasible.append(node)
            if len(feasible) >= enough:
                self._next = (self._next + at + 1) % len(names)
                break
        return feasible, refusals

    def _judge(self, pod: PodInfo, cycle: Cycle, node: NodeInfo) -> Refusal | None:
        """Room that is being made for a more important Pod is not free."""
        guests = [
            info
            for name, info in self.world.nominated.values()
            if name == node.name and info.priority >= pod.priority and info.uid != pod.uid
        ]
        if not guests:
            return cycle.judge(node)
        crowded = node.without(set())
        for guest in guests:
            crowded.add(guest)
        return cycle.judge(crowded) or cycle.judge(node)

    def _enough(self, nodes: int) -> int:
        share = self.world.config.percentage_of_nodes_to_score
        if nodes <= LEAST_NODES or share >= 100:
            return nodes
        if not share:
            share = max(50 - nodes // 125, 5)
        return max(nodes * share // 100, LEAST_NODES)

    def _image_spread(self) -> dict[str, float]:
        nodes = len(self.world.cache.ordered)
        if self._images_of != nodes:
            self._images, self._images_of = image_spread(self.world.cache), nodes
        return self._images

    def _none_fits(self, pod: PodInfo, cycle: Cycle, refusals: dict[str, Refusal]) -> Decision:
        total = len(self.world.cache.ordered)
        plugins = frozenset(r.plugin for r in refusals.values())
        if pod.pod.spec.preemptionPolicy == "Never":
            preemption = "no new claims to deallocate, preemption: not eligible due to preemptionPolicy=Never."
            message = fit_message(total, refusals, preemption=preemption)
            return Decision(message=message, plugins=plugins, refusals=refusals)
        if self._victims_leaving(pod):
            preemption = (
                "no new claims to deallocate, preemption: not eligible due to a terminating pod on the nominated node."
            )
            message = fit_message(total, refusals, preemption=preemption)
            return Decision(message=message, plugins=plugins, refusals=refusals)
        candidates, outcomes = self._try_preemption(pod, cycle, refusals)
        chosen = choose(candidates)
        if chosen is not None:
            message = fit_message(total, refusals)
            return Decision(message=message, plugins=plugins, refusals=refusals, preempt=chosen)
        message = fit_message(total, refusals, preemption=preemption_message(total, outcomes))
        return Decision(message=message, plugins=plugins, refusals=refusals, hopeless=True)

    def _victims_leaving(self, pod: PodInfo) -> bool:
        node = self.world.cache.nodes.get(pod.pod.status.nominatedNodeName or "")
        if node is None:
            return False
        return any(p.priority < pod.priority and p.pod.metadata.deletionTimestamp for p in node.pods.values())

    def _try_preemption(
        self, pod: PodInfo, cycle: Cycle, refusals: dict[str, Refusal]
    ) -> tuple[list[Candidate], dict[str, str]]:
        outcomes = {name: outcome_of(refusal) for name, refusal in refusals.items()}
        candidates: list[Candidate] = []
        budgets: list[Budget] | None = None
        for name in _shuffled(n for n, r in refusals.items() if not r.final):
            node = self.world.cache.nodes.get(name)
            if node is None or all(p.priority >= pod.priority for p in node.pods.values()):
                continue
            budgets = self.world.budgets() if budgets is None else budgets
            found = find_victims(pod, node, lambda tried: self._judge(pod, cycle, tried), budgets)
            if found is None:
                outcomes[name] = NO_VICTIMS
                continue
            candidates.append(Candidate(node=name, victims=found[0], violations=found[1]))
            if len(candidates) >= CANDIDATES:
                break
        return candidates, outcomes


def _shuffled(names: Iterable[str]) -> list[str]:
    listed = list(names)
    random.shuffle(listed)
    return listed
