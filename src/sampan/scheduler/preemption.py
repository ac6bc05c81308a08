"""DefaultPreemption: which Pods of lower priority would have to go, on which node it hurts least. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from sampan.api.selectors import labels as label_selectors
from sampan.api.types import policy_v1
from sampan.client.clock import parse_time
from sampan.scheduler.node_info import NodeInfo
from sampan.scheduler.pod_info import PodInfo
from sampan.scheduler.verdict import NO_VICTIMS, PREEMPTION_USELESS, Refusal

Fits = Callable[[NodeInfo], bool]


class Candidate(Struct, frozen=True, kw_only=True):
    node: str
    victims: tuple[PodInfo, ...]
    violations: int  # victims whose disruption budget does not allow it


class Budget:
    """A PodDisruptionBudget and how many of its Pods may still go."""

    def __init__(self, budget: policy_v1.PodDisruptionBudget) -> None:
        self.namespace = budget.metadata.namespace or ""
        self.selector = label_selectors.from_label_selector(budget.spec.selector)
        self.allowed = budget.status.disruptionsAllowed or 0
        self.leaving = budget.status.disruptedPods or {}  # counted already

    def covers(self, pod: PodInfo) -> bool:
        if pod.namespace != self.namespace or not pod.labels or self.selector.empty:
            return False  # in preemption an empty selector protects nothing
        return pod.name not in self.leaving and self.selector.matches(pod.labels)


def find_victims(
    pod: PodInfo, node: NodeInfo, fits: Fits, budgets: Sequence[Budget]
) -> tuple[tuple[PodInfo, ...], int] | None:
    """The fewest and least important Pods whose going makes room, and how many budgets that breaks. `fits` judges
    the node in another state."""
    lower = [p for p in node.pods.values() if p.priority < pod.priority]
    if not lower:
        return None
    tried = node.copy()
    for each in lower:
        tried.remove(each.uid)
    if not fits(tried):
        return None
    violating, harmless = _by_budget(sorted(lower, key=importance), budgets)
    victims: list[PodInfo] = []
    violations = 0
    for group, counts in ((violating, 1), (harmless, 0)):
        for each in group:  # the most important first: whoever may stay, stays
            tried.add(each)
            if not fits(tried):
                tried.remove(each.uid)
                victims.append(each)
                violations += counts
    return tuple(sorted(victims, key=importance)), violations


def _by_budget(pods: Sequence[PodInfo], budgets: Sequence[Budget]) -> tuple[list[PodInfo], list[PodInfo]]:
    """Those whose going a budget forbids, and the others."""
    left = [b.allowed for b in budgets]
    violating: list[PodInfo] = []
    harmless: list[PodInfo] = []
    for pod in pods:
        broken = False
        for at, budget in enumerate(budgets):
            if budget.covers(pod):
                left[at] -= 1
                broken = broken or left[at] < 0
        (violating if broken else harmless).append(pod)
    return violating, harmless


def importance(pod: PodInfo) -> tuple[int, float]:
    """Sorts the most important first: higher priority, then the one that has run longer."""
    return -pod.priority, started(pod)


def started(pod: PodInfo) -> float:
    said = pod.pod.status.startTime
    return parse_time(said) if said else float("inf")


def choose(candidates: Sequence[Candidate]) -> Candidate | None:
    """Kubernetes' order: budgets kept, least important victims, least priority in sum, fewest, latest started."""
    if not candidates:
        return None
    return min(
        candidates,
        key=lambda c: (
            c.violations,
            c.victims[0].priority,
            sum(v.priority + 2**31 for v in c.victims),
            len(c.victims),
            -min(started(v) for v in c.victims if v.priority == c.victims[0].priority),
        ),
    )


def outcome_of(refusal: Refusal) -> str:
    return PREEMPTION_USELESS if refusal.final else NO_VICTIMS
