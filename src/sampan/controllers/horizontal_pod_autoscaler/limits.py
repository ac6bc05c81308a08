"""From what the metrics ask for to what is done: recent recommendations, rates of change, least and most. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from msgspec import Struct, field

from sampan.api.types.autoscaling_v2 import HorizontalPodAutoscaler, HPAScalingRules

STABILIZATION = 300.0  # seconds in which the highest recommendation counts before anything is scaled down
FASTEST, LEAST_LIMIT = 2, 4  # without behaviour: twice as many, but four may always be reached
PLENTY = 2**31 - 1


class Memory(Struct):
    """What was recommended and done lately, by time."""

    recommendations: list[tuple[float, int]] = field(default_factory=list)
    ups: list[tuple[float, int]] = field(default_factory=list)
    downs: list[tuple[float, int]] = field(default_factory=list)

    def forget_before(self, recommended: float, done: float) -> None:
        self.recommendations = [r for r in self.recommendations if r[0] >= recommended]
        self.ups = [e for e in self.ups if e[0] >= done]
        self.downs = [e for e in self.downs if e[0] >= done]

    def note(self, before: int, after: int, now: float) -> None:
        (self.ups if after > before else self.downs).append((now, abs(after - before)))


class Said(Struct, frozen=True):
    """A condition's status, reason and message."""

    status: str
    reason: str
    message: str


class Limited(Struct, frozen=True):
    replicas: int
    able: Said  # AbleToScale
    limited: Said  # ScalingLimited


READY = Said("True", "ReadyForNewScale", "recommended size matches current size")
LOWEST = Said(
    "True",
    "ScaleUpStabilized",
    "recent recommendations were lower than current one, applying the lowest recent recommendation",
)
HIGHEST = Said(
    "True",
    "ScaleDownStabilized",
    "recent recommendations were higher than current one, applying the highest recent recommendation",
)
WITHIN = Said("False", "DesiredWithinRange", "the desired count is within the acceptable range")
TOO_FEW = Said("True", "TooFewReplicas", "the desired replica count is less than the minimum replica count")
TOO_MANY = Said("True", "TooManyReplicas", "the desired replica count is more than the maximum replica count")
TOO_FAST_UP = Said("True", "ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate")
TOO_FAST_DOWN = Said(
    "True", "ScaleDownLimit", "the desired replica count is decreasing faster than the maximum scale rate"
)


def least(hpa: HorizontalPodAutoscaler) -> int:
    return 1 if hpa.spec.minReplicas is None else hpa.spec.minReplicas


def limit(hpa: HorizontalPodAutoscaler, memory: Memory, current: int, desired: int, now: float) -> Limited:
    """Notes the recommendation."""
    behavior = hpa.spec.behavior
    if behavior is None:
        return _usual(hpa, memory, current, desired, now)
    up, down = behavior.scaleUp or HPAScalingRules(), behavior.scaleDown or HPAScalingRules()
    stable, able = _stabilized(memory, up, down, current, desired, now)
    replicas, limited = stable, WITHIN
    if stable > current:
        most, why = hpa.spec.maxReplicas, TOO_MANY
        fastest = max(current, _rate(up, memory, current, now, up=True))
        if most > fastest:
            most, why = fastest, TOO_FAST_UP
        if stable > most:
            replicas, limited = most, why
    elif stable < current:
        fewest, why = least(hpa), TOO_FEW
        slowest = min(current, _rate(down, memory, current, now, up=False))
        if fewest < slowest:
            fewest, why = slowest, TOO_FAST_DOWN
        if stable < fewest:
            replicas, limited = fewest, why
    return Limited(replicas, able, limited)


def _usual(hpa: HorizontalPodAutoscaler, memory: Memory, current: int, desired: int, now: float) -> Limited:
    memory.recommendations.append((now, desired))
    stable = max(r for at, r in memory.recommendations if at > now - STABILIZATION)
    able = READY if stable == desired else HIGHEST
    fastest = max(FASTEST * current, LEAST_LIMIT)
    most, why = (fastest, TOO_FAST_UP) if hpa.spec.maxReplicas > fastest else (hpa.spec.maxReplicas, TOO_MANY)
    if stable < least(hpa):
        return Limited(least(hpa), able, TOO_FEW)
    if stable > most:
        return Limited(most, able, why)
    return Limited(stable, able, WITHIN)


def _stabilized(
    memory: Memory, up: HPAScalingRules, down: HPAScalingRules, current: int, desired: int, now: float
) -> tuple[int, Said]:
    """Up to the lowest that was recommended while going up has to wait, down to the highest of its own time."""
    wait_up = up.stabilizationWindowSeconds or 0
    wait_down = STABILIZATION if down.stabilizationWindowSeconds is None else down.stabilizationWindowSeconds
    lowest = min([desired, *(r for at, r in memory.recommendations if at > now - wait_up)])
    highest = max([desired, *(r for at, r in memory.recommendations if at > now - wait_down)])
    memory.recommendations.append((now, desired))
    stable = min(max(current, lowest), highest)
    if stable == desired:
        return stable, READY
    return stable, LOWEST if desired >= current else HIGHEST


def _rate(rules: HPAScalingRules, memory: Memory, current: int, now: float, *, up: bool) -> int:
    """How far it may go now: by each policy from where it stood when the policy's period began."""
    if rules.selectPolicy == "Disabled":
        return current
    farthest: Callable[[Iterable[int]], int] = max if up == (rules.selectPolicy != "Min") else min
    proposals = []
    for policy in rules.policies or ():
        since = now - policy.periodSeconds
        start = current - _changed(memory.ups, since) + _changed(memory.downs, since)
        if policy.type == "Pods":
            proposals.append(start + policy.value if up else start - policy.value)
        elif up:
            proposals.append(math.ceil(start * (1 + policy.value / 100)))
        else:
            proposals.append(int(start * (1 - policy.value / 100)))
    if not proposals:
        return PLENTY if up else 0
    return farthest(proposals)


def _changed(events: list[tuple[float, int]], since: float) -> int:
    return sum(number for at, number in events if at > since)
