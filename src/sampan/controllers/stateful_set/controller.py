"""Reads its Pods, decides the next step (`decide.py`), makes claims before Pods, writes the status."""

from __future__ import annotations

import msgspec

from sampan.api.errors import AlreadyExists, ApiError, Conflict, NotFound
from sampan.api.selectors import labels as label_selectors
from sampan.api.types import apps_v1, core_v1, meta_v1
from sampan.controllers.contract import Context, KeyedController
from sampan.controllers.history import HASH_LABEL, History
from sampan.controllers.namespaces import is_terminating
from sampan.controllers.owned_pods import (
    BY_OWNER,
    ORPHANS,
    PodControl,
    available_in,
    claim,
    controller_of,
    owner_index,
    owner_reference,
)
from sampan.controllers.stateful_set import decide
from sampan.controllers.written import LOOK_AGAIN, Written

KIND, API = "StatefulSet", "apps/v1"
REVISION_LABEL = "controller.kubernetes.io/hash"


class StatefulSets(KeyedController):
    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.sets = context.informer(apps_v1.StatefulSet)
        self.pods = context.informer(core_v1.Pod, indexes={BY_OWNER: owner_index})
        self.claims = context.informer(core_v1.PersistentVolumeClaim)
        self.revisions = context.informer(apps_v1.ControllerRevision)
        self.written = Written(context.clock)
        self.control = PodControl(context.client, context.recorder, self.written)
        self.history = History(context.client, KIND, label=REVISION_LABEL)
        self.sets.add_key_handler(self.queue.add)
        self.pods.add_handler(on_add=self._pod, on_update=lambda _, new: self._pod(new), on_delete=self._pod)

    def _pod(self, pod: core_v1.Pod) -> None:
        reference = controller_of(pod.metadata)
        if reference is not None and reference.kind == KIND:
            self.queue.add(f"{pod.metadata.namespace}/{reference.name}")

    async def reconcile(self, key: str) -> float | None:
        stateful = self.sets.store.by_key(key)
        if stateful is None:
            self.written.forget(key)
            return None
        if self.written.is_behind(key, self.pods.store):
            return LOOK_AGAIN
        meta = stateful.metadata
        selector = label_selectors.from_label_selector(stateful.spec.selector)
        near = [
            *self.pods.store.by_index(BY_OWNER, meta.uid or ""),
            *self.pods.store.by_index(BY_OWNER, f"{ORPHANS}/{meta.namespace}"),
        ]
        named = [p for p in near if (p.metadata.name or "").rpartition("-")[0] == meta.name]
        pods = await self.control.settle_claim(key, API, KIND, meta, claim(meta, named, selector.matches))
        if meta.deletionTimestamp:
            return None
        known = self.revisions.store.list(namespace=meta.namespace or "")
        update = await self.history.sync(meta, stateful.spec.template, stateful.status.collisionCount, known)
        digest = update.metadata.name or ""  # Pods carry the whole name of their revision
        current = stateful.status.currentRevision or digest
        now = self.clock.now()
        decided = decide.plan(stateful, pods, digest, now)
        try:
            await self._act(key, stateful, decided, known, current, digest)
        finally:
            await self._write_status(key, stateful, decide.status_of(stateful, pods, current, digest, now))
        names = {(p.metadata.labels or {}).get(HASH_LABEL, "") for p in pods} | {digest, current}
        in_use = {n.rpartition("-")[2] for n in names}
        limit = 10 if stateful.spec.revisionHistoryLimit is None else stateful.spec.revisionHistoryLimit
        await self.history.trim(known, meta, in_use, limit)
        seconds = stateful.spec.minReadySeconds or 0
        return min((t for p in pods if (t := available_in(p, seconds, now))), default=None)

    async def _act(
        self,
        key: str,
        stateful: apps_v1.StatefulSet,
        decided: decide.Plan,
        known: list[apps_v1.ControllerRevision],
        current: str,
        update: str,
    ) -> None:
        meta = stateful.metadata
        for pod in decided.delete:
            await self._delete(stateful, pod)
        rolling = stateful.spec.updateStrategy.rollingUpdate
        partition = rolling.partition or 0 if rolling is not None else 0
        for number in decided.create:
            keeps_old = number < partition + decide.first(stateful) and current != update
            template = self._template(known, current) if keeps_old else None
            revision = current if template is not None else update
            reference = owner_reference(API, KIND, meta)
            pod = decide.make_pod(stateful, template or stateful.spec.template, number, revision, reference)
            await self._make_claims(stateful, number)
            await self._create(key, stateful, pod)

    @staticmethod
    def _template(known: list[apps_v1.ControllerRevision], digest: str) -> core_v1.PodTemplateSpec | None:
        for revision in known:
            if revision.metadata.name == digest:
                plain = dict(revision.data["spec"]["template"])
                plain.pop("$patch", None)
                return msgspec.convert(plain, core_v1.PodTemplateSpec)
        return None

    async def _make_claims(self, stateful: apps_v1.StatefulSet, number: int) -> None:
        meta = stateful.metadata
        policy = stateful.spec.persistentVolumeClaimRetentionPolicy
        for template in stateful.spec.volumeClaimTemplates or ():
            name = decide.claim_name(template, stateful, number)
            if self.claims.store.get(name, namespace=meta.namespace or "") is not None:
                continue
            selector = stateful.spec.selector.matchLabels if stateful.spec.selector is not None else None
            owners = None
            if policy is not None and policy.whenDeleted == "Delete":
                owners = [owner_reference(API, KIND, meta)]
            made = core_v1.PersistentVolumeClaim(
                kind="PersistentVolumeClaim",
                apiVersion="v1",
                metadata=meta_v1.ObjectMeta(
                    name=name,
                    namespace=meta.namespace,
                    labels={**(template.metadata.labels or {}), **(selector or {})},
                    annotations=template.metadata.annotations,
                    ownerReferences=owners,
                ),
                spec=template.spec,
            )
            try:
                await self.client.resource(core_v1.PersistentVolumeClaim).create(made)
            except AlreadyExists:
                continue
            said = f"Create Claim {name} Pod {decide.pod_name(stateful, number)} in StatefulSet {meta.name} success"
            self.context.recorder.event(stateful, "Normal", "SuccessfulCreate", said)

    async def _create(self, key: str, stateful: apps_v1.StatefulSet, pod: core_v1.Pod) -> None:
        where = f"Pod {pod.metadata.name} in StatefulSet {stateful.metadata.name}"
        try:
            made = await self.client.resource(core_v1.Pod).create(pod)
        except AlreadyExists:
            return
        except ApiError as error:
            if not is_terminating(error):
                said = f"Create {where} failed error: {error.message}"
                self.context.recorder.event(stateful, "Warning", "FailedCreate", said)
            raise
        self.written.note(key, made)
        self.context.recorder.event(stateful, "Normal", "SuccessfulCreate", f"Create {where} successful")

    async def _delete(self, stateful: apps_v1.StatefulSet, pod: core_v1.Pod) -> None:
        meta = pod.metadata
        try:
            await self.client.resource(core_v1.Pod).delete(
                meta.name or "", namespace=meta.namespace or "", uid=meta.uid or ""
            )
        except (NotFound, Conflict):
            return
        said = f"Delete Pod {meta.name} in StatefulSet {stateful.metadata.name} successful"
        self.context.recorder.event(stateful, "Normal", "SuccessfulDelete", said)

    async def _write_status(self, key: str, stateful: apps_v1.StatefulSet, status: apps_v1.StatefulSetStatus) -> None:
        if msgspec.json.encode(status) == msgspec.json.encode(stateful.status):
            return
        changed = apps_v1.StatefulSet(
            kind=KIND, apiVersion=API, metadata=stateful.metadata, spec=stateful.spec, status=status
        )
        try:
            await self.client.resource(apps_v1.StatefulSet).update_status(changed)
        except Conflict:
            self.queue.add(key)
        except NotFound:
            return
