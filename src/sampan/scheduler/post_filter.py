"""No node will do: would it help to remove less important Pods, and what is said when it would not?"""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import NamedTuple

from sampan.scheduler.config import Profile
from sampan.scheduler.cycle import Cycle, World
from sampan.scheduler.pod_info import PodInfo
from sampan.scheduler.preemption import Budget, Candidate, choose, find_victims, outcome_of
from sampan.scheduler.verdict import NO_VICTIMS, Refusal, preemption_message

_NOT_ELIGIBLE = "no new claims to deallocate, preemption: not eligible due to {}."


class Outcome(NamedTuple):
    chosen: Candidate | None  # what hurts least
    message: str = ""  # when there is nothing to choose
    hopeless: bool = False  # nobody who could go: room that is being kept is kept in vain


def post_filter(pod: PodInfo, cycle: Cycle, world: World, profile: Profile, refusals: dict[str, Refusal]) -> Outcome:
    if not profile.preempts:
        return Outcome(None, hopeless=True)
    if pod.pod.spec.preemptionPolicy == "Never":
        return Outcome(None, _NOT_ELIGIBLE.format("preemptionPolicy=Never"))
    if victims_leaving(pod, world):
        return Outcome(None, _NOT_ELIGIBLE.format("a terminating pod on the nominated node"))
    candidates, outcomes = _try(pod, cycle, world, profile, refusals)
    chosen = choose(candidates)
    if chosen is not None:
        return Outcome(chosen)
    return Outcome(None, preemption_message(len(world.cache.ordered), outcomes), hopeless=True)


def victims_leaving(pod: PodInfo, world: World) -> bool:
    """Preemption is under way: no second round while the first one's victims go."""
    name = world.nominated.node_of(pod.uid) or pod.pod.status.nominatedNodeName or ""
    node = world.cache.nodes.get(name)
    return node is not None and any(p.priority < pod.priority and p.leaving for p in node.pods.values())


def _try(
    pod: PodInfo, cycle: Cycle, world: World, profile: Profile, refusals: dict[str, Refusal]
) -> tuple[list[Candidate], dict[str, str]]:
    outcomes = {name: outcome_of(refusal) for name, refusal in refusals.items()}
    enough = max(profile.candidates_least, len(world.cache.ordered) * profile.candidates_share // 100)
    candidates: list[Candidate] = []
    budgets: list[Budget] | None = None
    for name in _shuffled(n for n, r in refusals.items() if not r.final):
        node = world.cache.nodes.get(name)
        if node is None or all(p.priority >= pod.priority for p in node.pods.values()):
            continue
        budgets = world.budgets() if budgets is None else budgets
        found = find_victims(pod, node, lambda tried: cycle.refusal_of_variant(tried) is None, budgets)
        if found is None:
            outcomes[name] = NO_VICTIMS
            continue
        candidates.append(Candidate(node=name, victims=found[0], violations=found[1]))
        if len(candidates) >= enough:
            break
    return candidates, outcomes


def _shuffled(names: Iterable[str]) -> list[str]:
    listed = list(names)
    random.shuffle(listed)
    return listed
