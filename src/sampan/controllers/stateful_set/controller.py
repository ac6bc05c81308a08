"""Reads its Pods, decides the next step (`decide.py`), makes claims before Pods, writes the status."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from sampan.api.errors import AlreadyExists, ApiError, Conflict, NotFound
from sampan.api.types import apps_v1, core_v1
from sampan.controllers.contract import Context
from sampan.controllers.history import History
from sampan.controllers.namespaces import is_terminating
from sampan.controllers.owned_pods import BY_OWNER, ORPHANS, next_available, owner_index, owner_reference
from sampan.controllers.pod_control import all_of, slow_start
from sampan.controllers.replacements import Replacements
from sampan.controllers.stateful_set import decide
from sampan.controllers.stateful_set.claims import API, KIND, Claims, StaleClaim
from sampan.controllers.stateful_set.identity import identity_labels, is_named_by, make_pod, ordinal, revision_of
from sampan.controllers.workload import Workload

REVISION_LABEL = "controller.kubernetes.io/hash"
RETRY_LONGEST = 10.0  # seconds between replacements of a Pod that fails again and again


class StatefulSets(Workload[apps_v1.StatefulSet]):
    kind = apps_v1.StatefulSet
    api_version = API

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        claims = context.informer(core_v1.PersistentVolumeClaim)
        self.claims = Claims(context.client, claims, context.recorder)
        self.revisions = context.informer(apps_v1.ControllerRevision, indexes={BY_OWNER: owner_index})
        self.history = History(context.client, KIND, label=REVISION_LABEL)
        self.replacements = Replacements(context.clock, RETRY_LONGEST)

    async def gone(self, key: str) -> None:
        self.replacements.forget(key)

    def may_own(self, owner: apps_v1.StatefulSet, pod: core_v1.Pod) -> bool:
        return is_named_by(pod, owner)

    async def sync(self, key: str, owner: apps_v1.StatefulSet, pods: list[core_v1.Pod]) -> float | None:
        meta, now = owner.metadata, self.clock.now()
        if meta.deletionTimestamp:
            return None
        orphans = self.revisions.store.by_index(BY_OWNER, f"{ORPHANS}/{meta.namespace}")
        known = [
            *self.revisions.store.by_index(BY_OWNER, meta.uid or ""),
            *await self.history.adopt(meta, orphans, self.selector(owner).matches),
        ]
        newest = await self.history.sync(meta, owner.spec.template, owner.status.collisionCount, known)
        update = newest.metadata.name or ""  # Pods carry the whole name of their revision
        there = {r.metadata.name for r in known}
        current = owner.status.currentRevision if owner.status.currentRevision in there else update
        decided = decide.plan(owner, pods, update, now)
        wait = self._hold_back(key, decided)
        updating = sum(revision_of(p) == current for p in decided.update)
        try:
            await self._act(key, owner, decided, current or update, update)
        finally:
            status = decide.status_of(owner, pods, current or update, update, now, updating=updating)
            await self.write_status(key, owner, status)
        in_use = {revision_of(p) for p in pods} | {update, current or update}
        await self.history.trim(known, meta, in_use, owner.spec.revisionHistoryLimit)
        again = (wait, next_available(pods, owner.spec.minReadySeconds, now))
        return min((s for s in again if s is not None), default=None)

    def _hold_back(self, key: str, decided: decide.Plan) -> float | None:
        """A node that refuses a Pod again and again is given time."""
        waits = {
            p.metadata.name: w for p in decided.failed if (w := self.replacements.wait(key, p.metadata.name or ""))
        }
        decided.failed = [p for p in decided.failed if p.metadata.name not in waits]
        return min(waits.values(), default=None)

    async def _act(
        self, key: str, stateful: apps_v1.StatefulSet, decided: decide.Plan, current: str, update: str
    ) -> None:
        for number in decided.claims_of:
            await self.claims.make_missing(stateful, number)
        for pod in decided.repair:
            labels = identity_labels(stateful, ordinal(pod))
            await self.control.patch(key, pod, {"uid": pod.metadata.uid, "labels": labels})
        for pod in [*decided.settled, *decided.condemned]:
            await self.claims.settle_owners(stateful, pod)
        await all_of(self._delete(key, stateful, pod) for pod in [*decided.failed, *decided.delete, *decided.update])

        def creation(number: int) -> Callable[[], Awaitable[object | None]]:
            return lambda: self._create(key, stateful, number, current, update)

        await slow_start([creation(number) for number in decided.create])

    async def _create(
        self, key: str, stateful: apps_v1.StatefulSet, number: int, current: str, update: str
    ) -> object | None:
        """None when the namespace is going away."""
        if self.claims.is_stale(stateful, number):
            self.queue.add_after(key, 1.0)
            return True
        old = (
            self._template(stateful, current) if current != update and decide.keeps_current(stateful, number) else None
        )
        reference = owner_reference(API, KIND, stateful.metadata)
        template, revision = (old, current) if old is not None else (stateful.spec.template, update)
        pod = make_pod(stateful, template, number, revision, reference)
        where = f"Pod {pod.metadata.name} in StatefulSet {stateful.metadata.name}"
        try:
            await self.claims.make_missing(stateful, number)
            made = await self.client.resource(core_v1.Pod).create(pod)
        except AlreadyExists:
            return True
        except (ApiError, StaleClaim) as error:
            if isinstance(error, ApiError) and is_terminating(error):
                return None
            said = error.message if isinstance(error, ApiError) else str(error)
            self.say(stateful, "Warning", "FailedCreate", f"Create {where} failed error: {said}")
            raise
        self.written.note(key, made)
        self.say(stateful, "Normal", "SuccessfulCreate", f"Create {where} successful")
        return True

    def _template(self, stateful: apps_v1.StatefulSet, revision: str) -> core_v1.PodTemplateSpec | None:
        """As it was in that revision; None when nobody knows any more."""
        found = self.revisions.store.get(revision, namespace=stateful.metadata.namespace or "")
        if found is None:
            return None
        plain = {k: v for k, v in found.data["spec"]["template"].items() if k != "$patch"}
        return msgspec.convert(plain, core_v1.PodTemplateSpec)

    async def _delete(self, key: str, stateful: apps_v1.StatefulSet, pod: core_v1.Pod) -> None:
        meta = pod.metadata
        where = f"Pod {meta.name} in StatefulSet {stateful.metadata.name}"
        try:
            await self.client.resource(core_v1.Pod).delete(
                meta.name or "", namespace=meta.namespace or "", uid=meta.uid or ""
            )
        except (NotFound, Conflict):
            return
        except ApiError as error:
            self.say(stateful, "Warning", "FailedDelete", f"Delete {where} failed error: {error.message}")
            raise
        self.written.note_deleted(key, pod)
        self.say(stateful, "Normal", "SuccessfulDelete", f"Delete {where} successful")
