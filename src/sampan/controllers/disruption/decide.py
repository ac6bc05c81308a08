"""The numbers of a budget. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

from msgspec import Struct

from sampan.api import times
from sampan.api.types import core_v1, meta_v1, policy_v1

Budget = policy_v1.PodDisruptionBudget
TIMEOUT = 120.0  # a Pod that was to be evicted and is still there after that counts again
TYPE = "DisruptionAllowed"


class Numbers(Struct, frozen=True):
    expected: int
    desired: int


def scaled(amount: int | str, total: int) -> int:
    """A number, or a percentage of all, rounded up."""
    if isinstance(amount, int):
        return amount
    text = amount.strip()
    if not text.endswith("%"):
        raise ValueError(f'invalid value "{amount}": should be a number or a percentage')
    return math.ceil(int(text[:-1]) * total / 100)


def needs_scale(budget: Budget) -> bool:
    """Whether it matters how many Pods their controllers want, not how many there are."""
    if budget.spec.maxUnavailable is not None:
        return True
    return isinstance(budget.spec.minAvailable, str)


def numbers(budget: Budget, found: int, scale: int) -> Numbers:
    """`found`: Pods that it selects; `scale`: how many their controllers want."""
    if budget.spec.maxUnavailable is not None:
        return Numbers(scale, max(0, scale - scaled(budget.spec.maxUnavailable, scale)))
    least = budget.spec.minAvailable
    if isinstance(least, str):
        return Numbers(scale, scaled(least, scale))
    return Numbers(found, least if least is not None else 0)


def still_disrupted(
    budget: Budget, pods: Sequence[core_v1.Pod], now: float
) -> tuple[dict[str, str], list[core_v1.Pod], float | None]:
    """Evictions that were granted and not seen yet, those that never happened, and seconds until the next look."""
    granted = budget.status.disruptedPods or {}
    left: dict[str, str] = {}
    late: list[core_v1.Pod] = []
    again: float | None = None
    for pod in pods:
        name = pod.metadata.name or ""
        if name not in granted or pod.metadata.deletionTimestamp:
            continue
        ends = _at(granted[name]) + TIMEOUT
        if ends < now:
            late.append(pod)
            continue
        left[name] = granted[name]
        again = min(again, ends - now) if again is not None else ends - now
    return left, late, again


def _at(text: str) -> float:
    try:
        return times.parse(text)
    except times.TimeError:
        return datetime.now(UTC).timestamp()


def healthy(pods: Sequence[core_v1.Pod], disrupted: dict[str, str]) -> int:
    return sum(
        1
        for pod in pods
        if pod.metadata.deletionTimestamp is None
        and pod.metadata.name not in disrupted
        and any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions or ())
    )


def status(
    budget: Budget, wanted: Numbers, current: int, disrupted: dict[str, str], now: str
) -> policy_v1.PodDisruptionBudgetStatus:
    allowed = max(0, current - wanted.desired) if wanted.expected > 0 else 0
    reason, truth = ("SufficientPods", "True") if allowed > 0 else ("InsufficientPods", "False")
    return policy_v1.PodDisruptionBudgetStatus(
        conditions=with_condition(budget, truth, reason, "", now),
        currentHealthy=current,
        desiredHealthy=wanted.desired,
        disruptedPods=disrupted or None,
        disruptionsAllowed=allowed,
        expectedPods=wanted.expected,
        observedGeneration=budget.metadata.generation,
    )


def with_condition(budget: Budget, truth: str, reason: str, message: str, now: str) -> list[meta_v1.Condition]:
    out = [c for c in budget.status.conditions or () if c.type != TYPE]
    old = next((c for c in budget.status.conditions or () if c.type == TYPE), None)
    out.append(
        meta_v1.Condition(
            type=TYPE,
            status=truth,
            reason=reason,
            message=message,
            observedGeneration=budget.metadata.generation,
            lastTransitionTime=old.lastTransitionTime if old is not None and old.status == truth else now,
        )
    )
    return out


def unmanaged(selector: meta_v1.LabelSelector | None) -> str:
    """What is said of Pods that nobody controls; the selector is written as Kubernetes does."""
    labels = "".join(f"{k}: {v}," for k, v in sorted(((selector and selector.matchLabels) or {}).items()))
    expressions = "".join(
        f"LabelSelectorRequirement{{Key:{e.key},Operator:{e.operator},Values:[{' '.join(e.values or ())}],}},"
        for e in (selector and selector.matchExpressions) or ()
    )
    shown = (
        f"&LabelSelector{{MatchLabels:map[string]string{{{labels}}},"
        f"MatchExpressions:[]LabelSelectorRequirement{{{expressions}}},}}"
    )
    return (
        f"Pods selected by this PodDisruptionBudget (selector: {shown}) were found to be unmanaged. As a result, the "
        "status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for "
        'these pods please set ".spec.minAvailable" field of the PDB to an integer value.'
    )
