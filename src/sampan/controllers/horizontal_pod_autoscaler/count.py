"""How many replicas the use of a resource asks for. Pure.

Pods that are not ready or of which nothing is known do not count at first; where that would exaggerate the change, they
are counted as if they spoke against it.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from msgspec import Struct, field

from sampan.api import quantity, times
from sampan.api.types import core_v1
from sampan.controllers.horizontal_pod_autoscaler.usage import NoMetrics, Use

INITIALIZATION, FIRST_READY = (
    300.0,
    30.0,
)  # seconds of a Pod's life in which its CPU use tells nothing unless it is ready


class Tolerance(Struct, frozen=True):
    """Within this nothing is changed."""

    down: float = 0.1
    up: float = 0.1

    def holds(self, ratio: float) -> bool:
        return 1.0 - self.down <= ratio <= 1.0 + self.up


class Groups(Struct):
    ready: int = 0
    unready: set[str] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)
    ignored: set[str] = field(default_factory=set)


class Proposal(Struct, frozen=True):
    replicas: int
    average: int  # thousandths per Pod
    utilization: int | None = None  # percent of what they request


def grouped(pods: list[core_v1.Pod], uses: dict[str, Use], resource: str, now: float) -> Groups:
    found = Groups()
    for pod in pods:
        name = pod.metadata.name or ""
        if pod.metadata.deletionTimestamp or pod.status.phase == "Failed":
            found.ignored.add(name)
        elif pod.status.phase == "Pending":
            found.unready.add(name)
        elif name not in uses:
            found.missing.add(name)
        elif resource == "cpu" and _is_starting(pod, uses[name], now):
            found.unready.add(name)
        else:
            found.ready += 1
    return found


def _is_starting(pod: core_v1.Pod, use: Use, now: float) -> bool:
    condition = next((c for c in pod.status.conditions or () if c.type == "Ready"), None)
    if condition is None or not pod.status.startTime:
        return True
    began = times.parse(pod.status.startTime)
    changed = times.parse(condition.lastTransitionTime) if condition.lastTransitionTime else began
    if now < began + INITIALIZATION:
        return condition.status == "False" or use.at < changed + use.window
    return condition.status == "False" and changed < began + FIRST_READY


def requests_of(pods: list[core_v1.Pod], resource: str, container: str = "") -> dict[str, int]:
    """What each Pod asks for, in thousandths; sidecars and containers."""
    found: dict[str, int] = {}
    for pod in pods:
        total = 0
        for one in [*pod.spec.containers, *(c for c in pod.spec.initContainers or () if c.restartPolicy == "Always")]:
            if container and one.name != container:
                continue
            amount = ((one.resources.requests if one.resources else None) or {}).get(resource)
            if amount is None:
                where = f"container {one.name} of Pod {pod.metadata.name}"
                raise NoMetrics(f"missing request for {resource} in {where}")
            total += quantity.milli_value(amount)
        found[pod.metadata.name or ""] = total
    return found


def by_utilization(
    current: int,
    target: int,
    uses: dict[str, Use],
    requests: dict[str, int],
    groups: Groups,
    tolerance: Tolerance,
) -> Proposal:
    """`target` is a percentage of what the Pods request."""

    def ratio(values: dict[str, int]) -> float:
        wanted = sum(requests.get(name, 0) for name in values)
        if not wanted:
            raise NoMetrics("no metrics returned matched known pods")
        return (sum(values.values()) * 100 // wanted) / target

    known = _known(uses, groups)
    first = ratio(known)
    fallback = max(100, target)
    replicas = _settle(
        current, known, groups, tolerance, ratio, first, lambda name: requests.get(name, 0) * fallback // 100
    )
    wanted = sum(requests.get(name, 0) for name in known)
    return Proposal(replicas, sum(known.values()) // len(known), sum(known.values()) * 100 // wanted)


def by_average(current: int, target: int, uses: dict[str, Use], groups: Groups, tolerance: Tolerance) -> Proposal:
    """`target` is thousandths per Pod."""

    def ratio(values: dict[str, int]) -> float:
        return sum(values.values()) // len(values) / target

    known = _known(uses, groups)
    replicas = _settle(current, known, groups, tolerance, ratio, ratio(known), lambda _: target)
    return Proposal(replicas, sum(known.values()) // len(known))


def _known(uses: dict[str, Use], groups: Groups) -> dict[str, int]:
    left_out = groups.ignored | groups.unready
    known = {name: use.milli for name, use in uses.items() if name not in left_out}
    if not known:
        raise NoMetrics("did not receive metrics for targeted pods (pods might be unready)")
    return known


def _settle(
    current: int,
    known: dict[str, int],
    groups: Groups,
    tolerance: Tolerance,
    ratio: Callable[[dict[str, int]], float],
    first: float,
    at_target: Callable[[str], int],
) -> int:
    rises = bool(groups.unready) and first > 1.0
    if not rises and not groups.missing:
        return current if tolerance.holds(first) else math.ceil(first * groups.ready)
    values = dict(known)
    if first < 1.0:
        values |= {name: at_target(name) for name in groups.missing}
    elif first > 1.0:
        values |= dict.fromkeys(groups.missing, 0)
    if rises:
        values |= dict.fromkeys(groups.unready, 0)
    second = ratio(values)
    if tolerance.holds(second) or (first < 1.0 < second) or (second < 1.0 < first):
        return current  # too small, or the other way round
    wanted = math.ceil(second * len(values))
    if (second < 1.0 and wanted > current) or (second > 1.0 and wanted < current):
        return current
    return wanted
