"""Pods and their controllers: whose they are, how they look, who is missed least, what a template makes. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from msgspec import Struct

from sampan.api.types import core_v1, meta_v1
from sampan.client.clock import parse_time

BY_OWNER = "controller-uid"
ORPHANS = "orphans"  # index value prefix: what nobody controls, of a namespace


class Owned(Protocol):
    metadata: meta_v1.ObjectMeta


def owner_index(obj: Owned) -> list[str]:
    """By the uid of the controlling owner; what has none by its namespace."""
    reference = controller_of(obj.metadata)
    return [reference.uid] if reference is not None else [f"{ORPHANS}/{obj.metadata.namespace}"]


def controller_of(meta: meta_v1.ObjectMeta) -> meta_v1.OwnerReference | None:
    return next((o for o in meta.ownerReferences or () if o.controller), None)


def owner_reference(api_version: str, kind: str, meta: meta_v1.ObjectMeta) -> meta_v1.OwnerReference:
    return meta_v1.OwnerReference(
        apiVersion=api_version,
        kind=kind,
        name=meta.name or "",
        uid=meta.uid or "",
        controller=True,
        blockOwnerDeletion=True,
    )


# --- what is seen -----------------------------------------------------------------------------------------------------


def is_over(pod: core_v1.Pod) -> bool:
    return pod.status.phase in ("Succeeded", "Failed")


def is_active(pod: core_v1.Pod) -> bool:
    return not is_over(pod) and not pod.metadata.deletionTimestamp


def ready_condition(pod: core_v1.Pod) -> core_v1.PodCondition | None:
    return next((c for c in pod.status.conditions or () if c.type == "Ready"), None)


def is_ready(pod: core_v1.Pod) -> bool:
    condition = ready_condition(pod)
    return condition is not None and condition.status == "True"


def available_in(pod: core_v1.Pod, min_ready: int, now: float) -> float | None:
    """Seconds until the Pod counts as available; 0 when it does, None when it is not ready."""
    condition = ready_condition(pod)
    if condition is None or condition.status != "True":
        return None
    if not min_ready or not condition.lastTransitionTime:
        return 0.0
    return max(0.0, parse_time(condition.lastTransitionTime) + min_ready - now)


def is_available(pod: core_v1.Pod, min_ready: int, now: float) -> bool:
    return available_in(pod, min_ready, now) == 0.0


def next_available(pods: Iterable[core_v1.Pod], min_ready: int | None, now: float) -> float | None:
    """Seconds until one more of them counts as available."""
    return min((left for p in pods if (left := available_in(p, min_ready or 0, now))), default=None)


_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


def deletion_order(
    pods: Iterable[core_v1.Pod], now: float, crowd: Mapping[str, int] | None = None
) -> list[core_v1.Pod]:
    """Who is missed least goes first: unplaced, not running, not ready, cheap, on crowded nodes, young, restarting.

    `crowd` says how many kindred Pods are on each node; without it these Pods themselves are counted. Ages are compared
    by their magnitude alone, so that not always the same ones are spared.
    """
    listed = list(pods)
    per_node = crowd if crowd is not None else per_node_of(listed)

    def rank(pod: core_v1.Pod) -> tuple[Any, ...]:
        ready = ready_condition(pod)
        is_up = ready is not None and ready.status == "True"
        since = ready.lastTransitionTime if ready is not None and is_up else None
        return (
            bool(pod.spec.nodeName),
            _PHASES.get(pod.status.phase or "", 1),
            is_up,
            deletion_cost(pod),
            -per_node.get(pod.spec.nodeName or "", 0),
            _magnitude(since, now),
            -max((c.restartCount for c in pod.status.containerStatuses or ()), default=0),
            _magnitude(pod.metadata.creationTimestamp, now),
            pod.metadata.uid or "",
        )

    return sorted(listed, key=rank)


def per_node_of(pods: Iterable[core_v1.Pod]) -> dict[str, int]:
    counted: dict[str, int] = {}
    for pod in pods:
        if is_active(pod):
            counted[pod.spec.nodeName or ""] = counted.get(pod.spec.nodeName or "", 0) + 1
    return counted


def _magnitude(stamp: str | None, now: float) -> int:
    """The order of magnitude, to the base of two, of how long ago that was; what has no time is the youngest."""
    age = now - parse_time(stamp) if stamp else 0.0
    return int(math.log2(age * 1e9)) if age > 0 else -1


def deletion_cost(pod: core_v1.Pod) -> int:
    try:
        return int((pod.metadata.annotations or {}).get("controller.kubernetes.io/pod-deletion-cost", "0"))
    except ValueError:
        return 0


# --- what is made -----------------------------------------------------------------------------------------------------


def from_template(
    template: core_v1.PodTemplateSpec, namespace: str, prefix: str, owner: meta_v1.OwnerReference
) -> core_v1.Pod:
    meta = template.metadata
    return core_v1.Pod(
        kind="Pod",
        apiVersion="v1",
        metadata=meta_v1.ObjectMeta(
            generateName=prefix,
            namespace=namespace,
            labels=dict(meta.labels) if meta.labels else None,
            annotations=dict(meta.annotations) if meta.annotations else None,
            finalizers=list(meta.finalizers) if meta.finalizers else None,
            ownerReferences=[owner],
        ),
        spec=template.spec,
    )


# --- whose it is ------------------------------------------------------------------------------------------------------


class Claim(Struct):
    """What adopting and releasing would change."""

    mine: list[core_v1.Pod]
    adopt: list[core_v1.Pod]
    release: list[core_v1.Pod]


def claim(
    owner: meta_v1.ObjectMeta, candidates: Iterable[core_v1.Pod], matches: Callable[[dict[str, str]], bool]
) -> Claim:
    """Orphans that match are taken in, Pods of ours that match no more let go; both only while the owner lives."""
    result = Claim([], [], [])
    for pod in candidates:
        reference = controller_of(pod.metadata)
        fits = matches(pod.metadata.labels or {})
        if reference is not None and reference.uid == owner.uid:
            if fits:
                result.mine.append(pod)
            elif not owner.deletionTimestamp:
                result.release.append(pod)
        elif reference is None and fits and not owner.deletionTimestamp and is_active(pod):
            result.adopt.append(pod)
    return result
