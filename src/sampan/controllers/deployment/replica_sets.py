"""The ReplicaSets of one Deployment: finding, adopting, making, resizing and dropping them; and the events of that."""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

from sampan.api.errors import AlreadyExists, ApiError, Conflict, NotFound
from sampan.api.selectors import labels as label_selectors
from sampan.api.types import apps_v1, core_v1, meta_v1
from sampan.client.api import Client
from sampan.client.events import EventRecorder
from sampan.client.informer import Informer
from sampan.controllers.deployment import decide
from sampan.controllers.deployment.annotations import of_new_set, of_newest, sizes
from sampan.controllers.namespaces import is_terminating
from sampan.controllers.owned_pods import BY_OWNER, ORPHANS, controller_of, owner_reference
from sampan.controllers.template_hash import LABEL, same_template, template_hash
from sampan.controllers.written import Written

KIND, API = "Deployment", "apps/v1"


class Created(NamedTuple):
    """Why there is no new ReplicaSet, where there is none."""

    made: apps_v1.ReplicaSet | None
    failure: str = ""


class ReplicaSetControl:
    def __init__(
        self, client: Client, sets: Informer[apps_v1.ReplicaSet], recorder: EventRecorder, written: Written
    ) -> None:
        self._sets = sets
        self._resource = client.resource(apps_v1.ReplicaSet)
        self._deployments = client.resource(apps_v1.Deployment)
        self._recorder = recorder
        self._written = written

    # --- whose they are ---

    async def claimed(self, key: str, deployment: apps_v1.Deployment) -> list[apps_v1.ReplicaSet]:
        meta = deployment.metadata
        selector = label_selectors.from_label_selector(deployment.spec.selector)
        near = [
            *self._sets.store.by_index(BY_OWNER, meta.uid or ""),
            *self._sets.store.by_index(BY_OWNER, f"{ORPHANS}/{meta.namespace}"),
        ]
        mine: list[apps_v1.ReplicaSet] = []
        for replica_set in near:
            reference = controller_of(replica_set.metadata)
            fits = selector.matches(replica_set.metadata.labels)
            if reference is not None and reference.uid == meta.uid:
                if fits:
                    mine.append(replica_set)
                elif not meta.deletionTimestamp:
                    await self._release(key, deployment, replica_set)
            elif reference is None and fits and not _is_going(meta) and not _is_going(replica_set.metadata):
                adopted = await self._adopt(key, deployment, replica_set)
                if adopted is not None:
                    mine.append(adopted)
        return mine

    async def _adopt(
        self, key: str, deployment: apps_v1.Deployment, replica_set: apps_v1.ReplicaSet
    ) -> apps_v1.ReplicaSet | None:
        """The server is asked whether the Deployment lives: the cache may be behind."""
        meta = deployment.metadata
        try:
            fresh = await self._deployments.get(meta.name or "", namespace=meta.namespace or "")
            if fresh.metadata.uid != meta.uid or _is_going(fresh.metadata):
                return None
            owners = [*(replica_set.metadata.ownerReferences or ()), owner_reference(API, KIND, meta)]
            changed = replace(replica_set, metadata=replace(replica_set.metadata, ownerReferences=owners))
            return await self._update(key, changed)
        except (Conflict, NotFound):
            return None

    async def _release(self, key: str, deployment: apps_v1.Deployment, replica_set: apps_v1.ReplicaSet) -> None:
        owners = [o for o in replica_set.metadata.ownerReferences or () if o.uid != deployment.metadata.uid]
        changed = replace(replica_set, metadata=replace(replica_set.metadata, ownerReferences=owners or None))
        try:
            await self._update(key, changed)
        except (Conflict, NotFound):
            return

    async def _update(self, key: str, changed: apps_v1.ReplicaSet) -> apps_v1.ReplicaSet:
        made = await self._resource.update(changed)
        self._written.note(key, made)
        return made

    # --- the newest ---

    async def adjust_newest(
        self, key: str, deployment: apps_v1.Deployment, new: apps_v1.ReplicaSet, old: list[apps_v1.ReplicaSet]
    ) -> apps_v1.ReplicaSet:
        """It carries the Deployment's annotations and the highest revision."""
        annotations = of_newest(deployment, new, decide.next_revision(old))
        ready = deployment.spec.minReadySeconds
        if annotations == (new.metadata.annotations or {}) and ready == new.spec.minReadySeconds:
            return new
        return await self._update(
            key,
            replace(
                new,
                metadata=replace(new.metadata, annotations=annotations),
                spec=replace(new.spec, minReadySeconds=ready),
            ),
        )

    async def create(
        self, key: str, deployment: apps_v1.Deployment, old: list[apps_v1.ReplicaSet], replicas: int
    ) -> Created:
        wanted = self._wanted(deployment, decide.next_revision(old), replicas)
        name = wanted.metadata.name or ""
        try:
            made = await self._resource.create(wanted)
        except AlreadyExists:
            await self._collided(deployment, name)
            return Created(None)
        except ApiError as error:
            if is_terminating(error):
                return Created(None)
            said = f'Failed to create new replica set "{name}": {error.message}'
            self._recorder.event(deployment, "Warning", "ReplicaSetCreateError", said)
            return Created(None, said)
        self._written.note(key, made)
        self._say_scaled(deployment, made, 0, replicas)
        return Created(made)

    @staticmethod
    def _wanted(deployment: apps_v1.Deployment, revision: int, replicas: int) -> apps_v1.ReplicaSet:
        meta, template = deployment.metadata, deployment.spec.template
        name_hash = template_hash(template, deployment.status.collisionCount)
        labels = {**(template.metadata.labels or {}), LABEL: name_hash}
        selector = deployment.spec.selector or meta_v1.LabelSelector()
        return apps_v1.ReplicaSet(
            kind="ReplicaSet",
            apiVersion=API,
            metadata=meta_v1.ObjectMeta(
                name=f"{meta.name}-{name_hash}",
                namespace=meta.namespace,
                labels=labels,
                annotations=of_new_set(deployment, revision),
                ownerReferences=[owner_reference(API, KIND, meta)],
            ),
            spec=apps_v1.ReplicaSetSpec(
                replicas=replicas,
                minReadySeconds=deployment.spec.minReadySeconds,
                selector=meta_v1.LabelSelector(
                    matchLabels={**(selector.matchLabels or {}), LABEL: name_hash},
                    matchExpressions=selector.matchExpressions,
                ),
                template=core_v1.PodTemplateSpec(
                    metadata=replace(template.metadata, labels=labels), spec=template.spec
                ),
            ),
        )

    async def _collided(self, deployment: apps_v1.Deployment, name: str) -> None:
        """A stranger has that name: another hash next time."""
        meta = deployment.metadata
        there = await self._resource.get(name, namespace=meta.namespace or "")
        reference = controller_of(there.metadata)
        if reference is not None and reference.uid == meta.uid and same_template(deployment, there):
            return  # ours, made a moment ago
        current = await self._deployments.get(meta.name or "", namespace=meta.namespace or "")
        current.status.collisionCount = (current.status.collisionCount or 0) + 1
        await self._deployments.update_status(current)

    # --- sizes ---

    async def resize(
        self, key: str, deployment: apps_v1.Deployment, replica_set: apps_v1.ReplicaSet, target: int
    ) -> apps_v1.ReplicaSet:
        annotations = {**(replica_set.metadata.annotations or {}), **sizes(deployment)}
        before = decide.size(replica_set)
        if before == target and annotations == replica_set.metadata.annotations:
            return replica_set
        made = await self._update(
            key,
            replace(
                replica_set,
                metadata=replace(replica_set.metadata, annotations=annotations),
                spec=replace(replica_set.spec, replicas=target),
            ),
        )
        self._say_scaled(deployment, made, before, target)
        return made

    def _say_scaled(
        self, deployment: apps_v1.Deployment, replica_set: apps_v1.ReplicaSet, before: int, after: int
    ) -> None:
        if before == after:
            return
        way = "up" if after > before else "down"
        said = f"Scaled {way} replica set {replica_set.metadata.name} from {before} to {after}"
        self._recorder.event(deployment, "Normal", "ScalingReplicaSet", said)

    async def drop(self, key: str, replica_set: apps_v1.ReplicaSet) -> None:
        meta = replica_set.metadata
        try:
            await self._resource.delete(meta.name or "", namespace=meta.namespace or "", uid=meta.uid or "")
        except NotFound:
            return
        self._written.note_deleted(key, replica_set)


def _is_going(meta: meta_v1.ObjectMeta) -> bool:
    return bool(meta.deletionTimestamp)
