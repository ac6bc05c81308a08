"""How many Pods to make or which to delete, and what the status is. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec import Struct, field

from sampan.api.types import core_v1
from sampan.client.clock import rfc3339
from sampan.controllers.owned_pods import available_in, deletion_order, is_active, is_over, is_ready
from sampan.controllers.pod_control import BURST

FAILURE = "ReplicaFailure"


class Plan(Struct, kw_only=True):
    create: int = 0
    delete: list[core_v1.Pod] = field(default_factory=list)


def plan(
    wanted: int, pods: list[core_v1.Pod], now: float, crowd: Callable[[], Mapping[str, int] | None] = lambda: None
) -> Plan:
    """`crowd` is only asked when some have to go."""
    active = [p for p in pods if is_active(p)]
    surplus = len(active) - wanted
    if surplus < 0:
        return Plan(create=min(-surplus, BURST))
    if surplus > 0:
        return Plan(delete=deletion_order(active, now, crowd())[: min(surplus, BURST)])
    return Plan()


class Tally(Struct, kw_only=True):
    """The counts that a status shows."""

    replicas: int = 0
    labelled: int = 0
    ready: int = 0
    available: int = 0
    terminating: int = 0
    again_in: float | None = None  # seconds until one more Pod counts as available

    def shown(self) -> dict[str, int | None]:
        """By the names of status fields; what is none is left out there."""
        return {
            "replicas": self.replicas,
            "fullyLabeledReplicas": self.labelled or None,
            "readyReplicas": self.ready or None,
            "availableReplicas": self.available or None,
        }


def tally(pods: Iterable[core_v1.Pod], template_labels: Mapping[str, str], min_ready: int, now: float) -> Tally:
    result = Tally()
    for pod in pods:
        if is_over(pod):
            continue
        if pod.metadata.deletionTimestamp:
            result.terminating += 1
            continue
        result.replicas += 1
        result.labelled += template_labels.items() <= (pod.metadata.labels or {}).items()
        if not is_ready(pod):
            continue
        result.ready += 1
        left = available_in(pod, min_ready, now)
        if left == 0.0:
            result.available += 1
        elif left is not None:
            result.again_in = left if result.again_in is None else min(result.again_in, left)
    return result


def conditions(
    known: Iterable[Any], failure: tuple[str, str] | None, now: float, condition: type[Any]
) -> list[Any] | None:
    """What failed (reason and message) stands as it was first said, until nothing fails any more."""
    kept = [c for c in known if c.type != FAILURE or failure is not None]
    if failure is not None and not any(c.type == FAILURE for c in kept):
        reason, message = failure
        kept.append(
            condition(type=FAILURE, status="True", reason=reason, message=message, lastTransitionTime=rfc3339(now))
        )
    return kept or None
