"""Making, deleting, adopting and releasing Pods for a controller, and saying so with events."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from sampan.api.errors import ApiError, Conflict, Invalid, NotFound
from sampan.api.types import core_v1, meta_v1
from sampan.client.api import STRATEGIC_PATCH, Client
from sampan.client.events import EventRecorder
from sampan.controllers.namespaces import is_terminating
from sampan.controllers.owned_pods import Claim, owner_reference
from sampan.controllers.written import Written

BURST = 500  # of one owner, in one go
SLOW_START = 1


class PodControl:
    def __init__(self, client: Client, recorder: EventRecorder, written: Written, *, finalizer: str = "") -> None:
        """`finalizer` is put on every adopted Pod and taken off every released one."""
        self._pods = client.resource(core_v1.Pod)
        self._recorder = recorder
        self._written = written
        self._finalizer = finalizer

    async def settle_claim(
        self, key: str, api_version: str, kind: str, owner: meta_v1.ObjectMeta, found: Claim
    ) -> list[core_v1.Pod]:
        """Carry the claim out; the Pods that are ours then."""
        mine = list(found.mine)
        for pod in found.adopt:
            reference = owner_reference(api_version, kind, owner)
            metadata: dict[str, Any] = {"uid": pod.metadata.uid, "ownerReferences": [_plain(reference)]}
            if self._finalizer:
                metadata["finalizers"] = [self._finalizer]
            try:
                adopted = await self.patch(key, pod, metadata)
            except (NotFound, Conflict, Invalid):
                continue
            mine.append(adopted)
        for pod in found.release:
            gone: dict[str, Any] = {
                "uid": pod.metadata.uid,
                "ownerReferences": [{"$patch": "delete", "uid": owner.uid}],
            }
            if self._finalizer:
                gone["$deleteFromPrimitiveList/finalizers"] = [self._finalizer]
            try:
                await self.patch(key, pod, gone)
            except (NotFound, Conflict, Invalid):
                continue
        return mine

    async def patch(self, key: str, pod: core_v1.Pod, metadata: dict[str, Any]) -> core_v1.Pod:
        name, namespace = pod.metadata.name or "", pod.metadata.namespace or ""
        made = await self._pods.patch(name, {"metadata": metadata}, type=STRATEGIC_PATCH, namespace=namespace)
        self._written.note(key, made)
        return made

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
        self._written.note_deleted(key, pod)
        self._recorder.event(owner, "Normal", "SuccessfulDelete", f"Deleted pod: {meta.name}")

    async def create_many(self, key: str, owner: Any, pods: Sequence[core_v1.Pod]) -> int:
        """How many were made: all, unless the namespace is going away."""

        def creation(pod: core_v1.Pod) -> Callable[[], Awaitable[core_v1.Pod | None]]:
            return lambda: self.create(key, owner, pod)

        return await slow_start([creation(pod) for pod in pods[:BURST]])

    async def delete_many(self, key: str, owner: Any, pods: Iterable[core_v1.Pod]) -> None:
        await all_of(self.delete(key, owner, p) for p in pods)


async def slow_start(attempts: Sequence[Callable[[], Awaitable[object | None]]]) -> int:
    """1, 2, 4, … at once: what the API server refuses costs one request, not hundreds.

    How many brought something; after one that brought nothing no more are tried.
    """
    good, at, batch = 0, 0, SLOW_START
    while at < len(attempts):
        results = await all_of(attempt() for attempt in attempts[at : at + batch])
        good += sum(1 for found in results if found is not None)
        if any(found is None for found in results):
            break
        at += len(results)
        batch *= 2
    return good


async def all_of(attempts: Iterable[Awaitable[Any]]) -> list[Any]:
    """Every one comes to its end, then the first failure is raised."""
    results = await asyncio.gather(*attempts, return_exceptions=True)
    for found in results:
        if isinstance(found, BaseException):
            raise found
    return results


def _plain(reference: meta_v1.OwnerReference) -> dict[str, Any]:
    return {
        "apiVersion": reference.apiVersion,
        "kind": reference.kind,
        "name": reference.name,
        "uid": reference.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
