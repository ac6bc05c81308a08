"""Pods and their controllers: whose they are, making them from a template, choosing which go first.

Decisions are pure; `PodControl` acts and says so with events.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct

from sampan.api.errors import ApiError, Conflict, NotFound
from sampan.api.types import core_v1, meta_v1
from sampan.client.api import STRATEGIC_PATCH, Client
from sampan.client.clock import parse_time
from sampan.client.events import EventRecorder
from sampan.controllers.namespaces import is_terminating
from sampan.controllers.written import Written

log = logging.getLogger(__name__)

BY_OWNER = "controller-uid"
ORPHANS = "orphans"  # index value prefix: Pods of a namespace that nobody controls
BURST = 500
SLOW_START = 1


def owner_index(pod: core_v1.Pod) -> list[str]:
    """By the uid of the controlling owner; Pods without one by their namespace."""
    reference = controller_of(pod.metadata)
    return [reference.uid] if reference is not None else [f"{ORPHANS}/{pod.metadata.namespace}"]


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


def is_active(pod: core_v1.Pod) -> bool:
    return pod.status.phase not in ("Succeeded", "Failed") and not pod.metadata.deletionTimestamp


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


_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


def deletion_order(pods: Iterable[core_v1.Pod], now: float) -> list[core_v1.Pod]:
    """Who is missed least goes first: unplaced, not running, not ready, cheap, on crowded nodes, young, crashing."""
    listed = list(pods)
    per_node: dict[str, int] = {}
    for pod in listed:
        per_node[pod.spec.nodeName or ""] = per_node.get(pod.spec.nodeName or "", 0) + 1

    def rank(pod: core_v1.Pod) -> tuple[Any, ...]:
        ready = ready_condition(pod)
        since = parse_time(ready.lastTransitionTime) if ready and ready.lastTransitionTime else now
        restarts = max((c.restartCount for c in pod.status.containerStatuses or ()), default=0)
        return (
            bool(pod.spec.nodeName),
            _PHASES.get(pod.status.phase or "", 1),
            is_ready(pod),
            deletion_cost(pod),
            -per_node[pod.spec.nodeName or ""],
            -since if is_ready(pod) else 0,
            -restarts,
            -parse_time(pod.metadata.creationTimestamp) if pod.metadata.creationTimestamp else 0,
        )

    return sorted(listed, key=rank)


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


class PodControl:
    def __init__(self, client: Client, recorder: EventRecorder, written: Written) -> None:
        self._pods = client.resource(core_v1.Pod)
        self._recorder = recorder
        self._written = written

    async def settle_claim(
        self, key: str, api_version: str, kind: str, owner: meta_v1.ObjectMeta, found: Claim
    ) -> list[core_v1.Pod]:
        """Carry the claim out; the Pods that are ours then."""
        mine = list(found.mine)
        for pod in found.adopt:
            reference = owner_reference(api_version, kind, owner)
            patch = {"metadata": {"uid": pod.metadata.uid, "ownerReferences": [_plain(reference)]}}
            try:
                adopted = await self._patch(pod, patch)
            except (NotFound, Conflict):
                continue
            self._written.note(key, adopted)
            mine.append(adopted)
        for pod in found.release:
            gone = {"$patch": "delete", "uid": owner.uid}
            try:
                await self._patch(pod, {"metadata": {"uid": pod.metadata.uid, "ownerReferences": [gone]}})
            except (NotFound, Conflict):
                continue
        return mine

    async def _patch(self, pod: core_v1.Pod, patch: dict[str, Any]) -> core_v1.Pod:
        meta = pod.metadata
        return await self._pods.patch(meta.name or "", patch, type=STRATEGIC_PATCH, namespace=meta.namespace or "")

    async def create(self, key: str, owner: Any, pod: core_v1.Pod) -> core_v1.Pod | None:
        """None when the namespace is going away; other errors are recorded and raised."""
        try:
            made = await self._pods.create(pod)
        except ApiError as error:
            if is_terminating(error):
                return None
            self._recorder.event(owner, "Warning", "FailedCreate", f"Error creating: {error.message}")
            raise
        self._written.note(key, made)
        self._recorder.event(owner, "Normal", "SuccessfulCreate", f"Created pod: {made.metadata.name}")
        return made

    async def delete(self, key: str, owner: Any, pod: core_v1.Pod) -> None:
        meta = pod.metadata
        try:
            await self._pods.delete(meta.name or "", namespace=meta.namespace or "", uid=meta.uid or "")
        except (NotFound, Conflict):
            return
        except ApiError as error:
            self._recorder.event(owner, "Warning", "FailedDelete", f"Error deleting: {error.message}")
            raise
        self._recorder.event(owner, "Normal", "SuccessfulDelete", f"Deleted pod: {meta.name}")

    async def create_many(self, key: str, owner: Any, number: int, make: Callable[[], core_v1.Pod]) -> int:
        """1, 2, 4, …: a template that the API server refuses costs one request, not hundreds. How many were made."""
        made, batch = 0, SLOW_START
        left = min(number, BURST)
        while left > 0:
            size = min(batch, left)
            results = await asyncio.gather(
                *(self.create(key, owner, make()) for _ in range(size)), return_exceptions=True
            )
            good = [r for r in results if isinstance(r, core_v1.Pod)]
            made += len(good)
            failed = next((r for r in results if isinstance(r, BaseException)), None)
            if failed is not None:
                raise failed
            if len(good) < size:
                break
            left -= size
            batch *= 2
        return made

    async def delete_many(self, key: str, owner: Any, pods: Iterable[core_v1.Pod]) -> None:
        results = await asyncio.gather(*(self.delete(key, owner, p) for p in pods), return_exceptions=True)
        failed = next((r for r in results if isinstance(r, BaseException)), None)
        if failed is not None:
            raise failed


def _plain(reference: meta_v1.OwnerReference) -> dict[str, Any]:
    return {
        "apiVersion": reference.apiVersion,
        "kind": reference.kind,
        "name": reference.name,
        "uid": reference.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
