"""How many Pods to make or which to delete, and what the status is. Pure."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct, field

from sampan.api.types import core_v1
from sampan.controllers.owned_pods import available_in, deletion_order, is_active, is_ready


class Plan(Struct, kw_only=True):
    create: int = 0
    delete: list[core_v1.Pod] = field(default_factory=list)


def plan(wanted: int, pods: list[core_v1.Pod], now: float) -> Plan:
    active = [p for p in pods if is_active(p)]
    surplus = len(active) - wanted
    if surplus < 0:
        return Plan(create=-surplus)
    if surplus > 0:
        return Plan(delete=deletion_order(active, now)[:surplus])
    return Plan()


class Tally(Struct, kw_only=True):
    """The counts that a status shows."""

    replicas: int = 0
    labelled: int = 0
    ready: int = 0
    available: int = 0
    terminating: int = 0
    again_in: float | None = None  # seconds until one more Pod counts as available


def tally(
    pods: list[core_v1.Pod], has_template_labels: Callable[[dict[str, str]], bool], min_ready: int, now: float
) -> Tally:
    result = Tally()
    for pod in pods:
        if pod.metadata.deletionTimestamp:
            result.terminating += pod.status.phase not in ("Succeeded", "Failed")
            continue
        if not is_active(pod):
            continue
        result.replicas += 1
        result.labelled += has_template_labels(pod.metadata.labels or {})
        if not is_ready(pod):
            continue
        result.ready += 1
        left = available_in(pod, min_ready, now)
        if left == 0.0:
            result.available += 1
        elif left is not None:
            result.again_in = left if result.again_in is None else min(result.again_in, left)
    return result
