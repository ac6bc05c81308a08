"""Collects what nobody owns any more.

Three ways to delete an owner meet here: *background* (its dependents go when it is gone), *foreground* (it stays until
those dependents that block it are gone) and *orphan* (they are freed first). Nothing is deleted on the word of a cache
alone: an owner that is not seen is asked for, and a delete names the uid and the revision that it was decided on.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from sampan.api.errors import ApiError, NotFound
from sampan.api.scheme import ResourceInfo
from sampan.api.types import core_v1, meta_v1
from sampan.client.transport import TransportError
from sampan.client.workers import run_workers
from sampan.client.workqueue import RateLimitingQueue
from sampan.controllers.contract import Context, Controller, retry_limiter
from sampan.controllers.garbage.decide import (
    FOREGROUND,
    ORPHAN,
    Delete,
    OwnerState,
    Release,
    blocks,
    is_orphaning,
    is_waiting,
    verdict,
    without_owners,
)
from sampan.controllers.garbage.graph import Graph
from sampan.controllers.garbage.monitors import Id, Monitors, identity
from sampan.controllers.resources import deletable, discover, metadata_client

log = logging.getLogger(__name__)

VERBS = ("delete", "list", "watch")
REDISCOVER = 300.0  # seconds, besides whenever a definition of custom resources changes
RETRY = 1.0
SETTLE = (0.2, 2.0, 10.0)  # a new definition takes a moment until it is served
WORKERS = 10
ABSENT_LIMIT = 1000


class GarbageCollector(Controller):
    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.queue: RateLimitingQueue[Id] = RateLimitingQueue(retry_limiter(self.clock), clock=self.clock)
        self.graph = Graph()
        self.monitors = Monitors(context.informers, self._changed)
        self.absent: dict[tuple[str, str, str], None] = {}  # owners that were asked for, and are not there
        self.recorder = context.recorder
        self.rediscover = asyncio.Event()
        definitions = context.metadata("apiextensions.k8s.io", "v1", "customresourcedefinitions")
        definitions.add_key_handler(lambda _: self.rediscover.set())

    async def run(self) -> None:
        try:
            while not await self._try_to_discover():
                await self.clock.sleep(RETRY)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._keep_discovering())
                tasks.create_task(run_workers(self.queue, self.reconcile, WORKERS, name=self.context.name))
        finally:
            await self.monitors.stop()

    # -- what is seen ------------------------------------------------------------------------------------------------

    async def _discover(self) -> None:
        found = await discover(self.client)
        if found.failed:
            log.info("garbage collector: not discovered: %s", ", ".join(sorted(found.failed)))
        await self.monitors.follow(deletable(found.resources, verbs=VERBS))

    async def _try_to_discover(self) -> bool:
        try:
            await self._discover()
        except (ApiError, TransportError) as error:
            log.info("garbage collector: discovery: %s", error)
            return False
        return True

    async def _keep_discovering(self) -> None:
        while True:
            self.rediscover.clear()
            timer = self.clock.call_later(REDISCOVER, self.rediscover.set)
            await self.rediscover.wait()
            timer.cancel()
            for wait in SETTLE:
                await self.clock.sleep(wait)
                await self._try_to_discover()

    def _changed(self, info: ResourceInfo, before: meta_v1.ObjectMeta | None, after: meta_v1.ObjectMeta | None) -> None:
        one = before if after is None else after
        assert one is not None
        me = identity(info, one)
        if before is not None and after is not None and before.uid != after.uid:
            self._changed(info, before, None)  # made again while we did not look
            before = None
        self.graph.move(me, before, after)
        if after is None:
            for dependent in self.graph.dependents(one.uid):
                self.queue.add(dependent)
        elif _concerns(after) and (before is None or _differ(before, after)):
            self.queue.add(me)
        if before is not None and (after is None or before.ownerReferences != after.ownerReferences):
            self._look_at_owners(before)

    def _look_at_owners(self, dependent: meta_v1.ObjectMeta) -> None:
        """Owners that waited for this dependent may be done now."""
        for ref in dependent.ownerReferences or ():
            owner = self._coordinates(ref, dependent)
            found = self.monitors.find(owner) if owner is not None else None
            if owner is not None and found is not None and found[1].uid == ref.uid and is_waiting(found[1]):
                self.queue.add(owner)

    def _coordinates(self, ref: meta_v1.OwnerReference, dependent: meta_v1.ObjectMeta) -> Id | None:
        """Where the owner must be: owners are in no namespace, or in the dependent's own."""
        info = self.monitors.info_of(ref)
        if info is None or (info.namespaced and not dependent.namespace):
            return None
        return info.qualified, f"{dependent.namespace}/{ref.name}" if info.namespaced else ref.name

    # -- what is done ------------------------------------------------------------------------------------------------

    async def reconcile(self, key: Id) -> None:
        found = self.monitors.find(key)
        if found is None:
            return
        info, meta = found
        try:
            if is_orphaning(meta):
                await self._orphan(info, meta)
            elif is_waiting(meta):
                await self._finish_foreground(info, meta)
            elif meta.deletionTimestamp is None and meta.ownerReferences:
                await self._collect(info, meta)
        except NotFound:
            return  # gone already; its informer will say so

    async def _collect(self, info: ResourceInfo, meta: meta_v1.ObjectMeta) -> None:
        states = [(ref, await self._state(ref, info, meta)) for ref in meta.ownerReferences or ()]
        dependents = [found[1] for d in self.graph.dependents(meta.uid) if (found := self.monitors.find(d))]
        decided = verdict(
            meta, states, has_dependents=bool(dependents), dependents_wait=any(is_waiting(d) for d in dependents)
        )
        if isinstance(decided, Release):
            kept = without_owners(meta, decided.owners)
            await self._patch(info, meta, {"ownerReferences": kept or None})
        elif isinstance(decided, Delete):
            revision = meta.resourceVersion
            if decided.unblock:
                revision = await self._unblock(info, meta)
            await metadata_client(self.client, info).delete(
                meta.name or "",
                namespace=meta.namespace or "",
                propagation_policy=decided.policy,
                uid=meta.uid or "",
                resource_version=revision or "",
            )

    async def _state(
        self, ref: meta_v1.OwnerReference, info: ResourceInfo, dependent: meta_v1.ObjectMeta
    ) -> OwnerState:
        where = self._coordinates(ref, dependent)
        if where is None:
            owner_info = self.monitors.info_of(ref)
            if owner_info is not None:
                self._complain(info, dependent, f"{_shown(ref)} is namespaced, and this object is not")
            return OwnerState.UNKNOWN
        found = self.monitors.find(where)
        if found is not None and found[1].uid == ref.uid:
            return OwnerState.WAITING if is_waiting(found[1]) else OwnerState.SOLID
        owner_info = self.monitors.info_of(ref)
        assert owner_info is not None
        return await self._ask(ref, owner_info, info, dependent)

    async def _ask(
        self, ref: meta_v1.OwnerReference, owner: ResourceInfo, info: ResourceInfo, dependent: meta_v1.ObjectMeta
    ) -> OwnerState:
        """The server's own word: a cache may be behind."""
        namespace = (dependent.namespace or "") if owner.namespaced else ""
        absent = (ref.uid, namespace, f"{owner.qualified}/{ref.name}")
        if absent in self.absent:
            return OwnerState.DANGLING
        try:
            found = await metadata_client(self.client, owner).get(ref.name, namespace=namespace)
            if found.metadata.uid == ref.uid:
                return OwnerState.WAITING if is_waiting(found.metadata) else OwnerState.SOLID
        except NotFound:
            pass
        if owner.namespaced and self._lives_elsewhere(ref, owner, namespace):
            said = f"ownerRef {_shown(ref)} does not exist in namespace {namespace!r}".replace("'", '"')
            self._complain(info, dependent, said)
        self.absent[absent] = None
        if len(self.absent) > ABSENT_LIMIT:
            self.absent.pop(next(iter(self.absent)))
        return OwnerState.DANGLING

    def _lives_elsewhere(self, ref: meta_v1.OwnerReference, owner: ResourceInfo, namespace: str) -> bool:
        for monitor in self.monitors:
            if monitor.info.qualified == owner.qualified:
                found = monitor.informer.store.list(where=lambda o: o.metadata.uid == ref.uid)
                return bool(found) and found[0].metadata.namespace != namespace
        return False

    async def _finish_foreground(self, info: ResourceInfo, meta: meta_v1.ObjectMeta) -> None:
        """It goes when no dependent that blocks it is left; those that are left are looked at."""
        blocking = [
            d
            for d in self.graph.dependents(meta.uid)
            if (found := self.monitors.find(d)) is not None and blocks(found[1], meta.uid or "")
        ]
        if not blocking:
            await self._drop_finalizer(info, meta, FOREGROUND)
        for dependent in blocking:
            found = self.monitors.find(dependent)
            if found is not None and not is_waiting(found[1]):
                self.queue.add(dependent)

    async def _orphan(self, info: ResourceInfo, meta: meta_v1.ObjectMeta) -> None:
        uid = frozenset((meta.uid or "",))

        async def free(dependent: Id) -> None:
            found = self.monitors.find(dependent)
            if found is None:
                return
            try:
                await self._patch(found[0], found[1], {"ownerReferences": without_owners(found[1], uid) or None})
            except NotFound:
                pass

        await asyncio.gather(*(free(dependent) for dependent in self.graph.dependents(meta.uid)))
        await self._drop_finalizer(info, meta, ORPHAN)

    async def _unblock(self, info: ResourceInfo, meta: meta_v1.ObjectMeta) -> str:
        refs = [
            meta_v1.OwnerReference(
                apiVersion=r.apiVersion, kind=r.kind, name=r.name, uid=r.uid, controller=r.controller
            )
            for r in meta.ownerReferences or ()
        ]
        return await self._patch(info, meta, {"ownerReferences": refs})

    async def _drop_finalizer(self, info: ResourceInfo, meta: meta_v1.ObjectMeta, name: str) -> None:
        kept = [f for f in meta.finalizers or () if f != name]
        await self._patch(info, meta, {"finalizers": kept or None})

    async def _patch(self, info: ResourceInfo, meta: meta_v1.ObjectMeta, change: dict[str, Any]) -> str:
        body = {"metadata": {"uid": meta.uid, "resourceVersion": meta.resourceVersion, **change}}
        written = await metadata_client(self.client, info).patch(meta.name or "", body, namespace=meta.namespace or "")
        return written.metadata.resourceVersion or ""

    def _complain(self, info: ResourceInfo, meta: meta_v1.ObjectMeta, message: str) -> None:
        reference = core_v1.ObjectReference(
            apiVersion=info.api_version, kind=info.kind, namespace=meta.namespace, name=meta.name, uid=meta.uid
        )
        self.recorder.event(reference, "Warning", "OwnerRefInvalidNamespace", message)


def _concerns(meta: meta_v1.ObjectMeta) -> bool:
    if meta.deletionTimestamp is None:
        return bool(meta.ownerReferences)
    return is_waiting(meta) or is_orphaning(meta)


def _differ(before: meta_v1.ObjectMeta, after: meta_v1.ObjectMeta) -> bool:
    """A status update of a Pod is no news here."""
    return (
        before.ownerReferences != after.ownerReferences
        or before.finalizers != after.finalizers
        or before.deletionTimestamp != after.deletionTimestamp
    )


def _shown(ref: meta_v1.OwnerReference) -> str:
    return f"[{ref.apiVersion}/{ref.kind}, namespace: , name: {ref.name}, uid: {ref.uid}]"
