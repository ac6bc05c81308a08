"""One Deployment, one step nearer to what it says: the whole policy is `_sync`."""

from __future__ import annotations

import msgspec

from sampan.api.errors import AlreadyExists, ApiError, Conflict, NotFound
from sampan.api.selectors import labels as label_selectors
from sampan.api.types import apps_v1, core_v1, meta_v1
from sampan.client.api import ResourceClient
from sampan.controllers.contract import Context, KeyedController
from sampan.controllers.deployment import decide
from sampan.controllers.deployment.decide import DESIRED, HISTORY, MAX, REVISION, size, wanted
from sampan.controllers.deployment.status import counts, deadline_in, with_conditions
from sampan.controllers.deployment.template_hash import LABEL, same_template, template_hash
from sampan.controllers.owned_pods import BY_OWNER, controller_of, is_active, owner_index, owner_reference
from sampan.controllers.written import LOOK_AGAIN, Written

KIND, API = "Deployment", "apps/v1"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
OWN_ANNOTATIONS = frozenset({LAST_APPLIED, REVISION, HISTORY, DESIRED, MAX, "deprecated.deployment.rollback.to"})
BY_CONTROLLER = "controller-uid"


def set_index(replica_set: apps_v1.ReplicaSet) -> list[str]:
    reference = controller_of(replica_set.metadata)
    return [reference.uid] if reference is not None else []


class Deployments(KeyedController):
    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.deployments = context.informer(apps_v1.Deployment)
        self.sets = context.informer(apps_v1.ReplicaSet, indexes={BY_CONTROLLER: set_index})
        self.pods = context.informer(core_v1.Pod, indexes={BY_OWNER: owner_index})
        self.written = Written(context.clock)
        self.deployments.add_key_handler(self.queue.add)
        self.sets.add_handler(on_add=self._set, on_update=lambda _, new: self._set(new), on_delete=self._set)
        self.pods.add_handler(on_delete=self._pod_gone)

    def _set(self, replica_set: apps_v1.ReplicaSet) -> None:
        reference = controller_of(replica_set.metadata)
        if reference is not None:
            if reference.kind == KIND:
                self.queue.add(f"{replica_set.metadata.namespace}/{reference.name}")
            return
        for deployment in self.deployments.store.list(namespace=replica_set.metadata.namespace or ""):
            selector = label_selectors.from_label_selector(deployment.spec.selector)
            if selector.matches(replica_set.metadata.labels):
                self.queue.add(f"{replica_set.metadata.namespace}/{deployment.metadata.name}")

    def _pod_gone(self, pod: core_v1.Pod) -> None:
        """Recreate waits for the last old Pod to be gone."""
        reference = controller_of(pod.metadata)
        owner = self.sets.store.get(reference.name, namespace=pod.metadata.namespace or "") if reference else None
        if owner is not None:
            self._set(owner)

    async def reconcile(self, key: str) -> float | None:
        deployment = self.deployments.store.by_key(key)
        if deployment is None:
            self.written.forget(key)
            return None
        if self.written.is_behind(key, self.sets.store):
            return LOOK_AGAIN
        return await self._sync(key, deployment)

    async def _sync(self, key: str, deployment: apps_v1.Deployment) -> float | None:
        every = await self._claimed(deployment)
        if deployment.metadata.deletionTimestamp:
            await self._write_status(key, deployment, None, every)
            return None
        new = next((r for r in _by_age(every) if same_template(deployment, r)), None)
        old = [r for r in every if r is not new]
        created = False
        if new is not None:
            new = await self._adjust_new(key, deployment, new, old)
        if deployment.spec.paused or self._is_scaling(deployment, every):
            await self._scale_all(key, deployment, new, old)
        elif deployment.spec.strategy.type == "Recreate":
            new, created = await self._recreate(key, deployment, new, old)
        else:
            new, created = await self._roll(key, deployment, new, old)
        if new is not None and new not in every:
            every = [r for r in every if r.metadata.uid != new.metadata.uid] + [new]
        await self._clean_up(key, deployment, old)
        await self._write_status(key, deployment, new, every, created=created)
        left = deadline_in(deployment, self.clock.now())
        return max(left, 0.1) if left is not None and left > 0 else None

    # --- its ReplicaSets ---

    async def _claimed(self, deployment: apps_v1.Deployment) -> list[apps_v1.ReplicaSet]:
        meta = deployment.metadata
        selector = label_selectors.from_label_selector(deployment.spec.selector)
        mine: list[apps_v1.ReplicaSet] = []
        for replica_set in self.sets.store.list(namespace=meta.namespace or ""):
            reference = controller_of(replica_set.metadata)
            fits = selector.matches(replica_set.metadata.labels)
            if reference is not None and reference.uid == meta.uid and fits:
                mine.append(replica_set)
            elif (
                reference is None and fits and not meta.deletionTimestamp and not replica_set.metadata.deletionTimestamp
            ):
                adopted = await self._adopt(deployment, replica_set)
                if adopted is not None:
                    mine.append(adopted)
        return mine

    async def _adopt(
        self, deployment: apps_v1.Deployment, replica_set: apps_v1.ReplicaSet
    ) -> apps_v1.ReplicaSet | None:
        reference = owner_reference(API, KIND, deployment.metadata)
        meta = _copy_meta(replica_set.metadata)
        meta.ownerReferences = [*(meta.ownerReferences or ()), reference]
        try:
            return await self._resource.update(_with_meta(replica_set, meta))
        except (Conflict, NotFound):
            return None

    @property
    def _resource(self) -> ResourceClient[apps_v1.ReplicaSet]:
        return self.client.resource(apps_v1.ReplicaSet)

    async def _adjust_new(
        self, key: str, deployment: apps_v1.Deployment, new: apps_v1.ReplicaSet, old: list[apps_v1.ReplicaSet]
    ) -> apps_v1.ReplicaSet:
        """The newest one carries the Deployment's annotations and the highest revision."""
        revision = max((decide.revision_of(r) for r in old), default=0) + 1
        meta = _copy_meta(new.metadata)
        annotations = dict(meta.annotations or {})
        annotations.update(_inherited(deployment))
        current = decide.revision_of(new)
        if current < revision:
            if current:
                past = [p for p in annotations.get(HISTORY, "").split(",") if p]
                annotations[HISTORY] = ",".join([*past, str(current)])
            annotations[REVISION] = str(revision)
        meta.annotations = annotations
        ready = deployment.spec.minReadySeconds
        if annotations != (new.metadata.annotations or {}) or ready != new.spec.minReadySeconds:
            changed = _with_meta(new, meta)
            changed.spec = _with_spec(new.spec, minReadySeconds=ready)
            new = await self._resource.update(changed)
            self.written.note(key, new)
        await self._set_revision(deployment, annotations.get(REVISION, "1"))
        return new

    async def _set_revision(self, deployment: apps_v1.Deployment, revision: str) -> None:
        if (deployment.metadata.annotations or {}).get(REVISION) == revision:
            return
        meta = _copy_meta(deployment.metadata)
        meta.annotations = {**(meta.annotations or {}), REVISION: revision}
        changed = apps_v1.Deployment(
            kind=KIND, apiVersion=API, metadata=meta, spec=deployment.spec, status=deployment.status
        )
        try:
            await self.client.resource(apps_v1.Deployment).update(changed)
        except Conflict:
            self.queue.add(f"{meta.namespace}/{meta.name}")

    async def _create_new(
        self, key: str, deployment: apps_v1.Deployment, old: list[apps_v1.ReplicaSet], replicas: int
    ) -> apps_v1.ReplicaSet | None:
        meta = deployment.metadata
        name_hash = template_hash(deployment.spec.template, deployment.status.collisionCount)
        template = deployment.spec.template
        labels = {**(template.metadata.labels or {}), LABEL: name_hash}
        selector = deployment.spec.selector or meta_v1.LabelSelector()
        revision = str(max((decide.revision_of(r) for r in old), default=0) + 1)
        surge = decide.fence(deployment).surge if deployment.spec.strategy.type != "Recreate" else 0
        annotations = {
            **_inherited(deployment),
            REVISION: revision,
            DESIRED: str(wanted(deployment)),
            MAX: str(wanted(deployment) + surge),
        }
        replica_set = apps_v1.ReplicaSet(
            kind="ReplicaSet",
            apiVersion=API,
            metadata=meta_v1.ObjectMeta(
                name=f"{meta.name}-{name_hash}",
                namespace=meta.namespace,
                labels=labels,
                annotations=annotations,
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
                    metadata=meta_v1.ObjectMeta(
                        labels=labels,
                        annotations=template.metadata.annotations,
                        finalizers=template.metadata.finalizers,
                    ),
                    spec=template.spec,
                ),
            ),
        )
        try:
            made = await self._resource.create(replica_set)
        except AlreadyExists:
            await self._collided(deployment, replica_set.metadata.name or "")
            return None
        except ApiError as error:
            said = f'Failed to create new replica set "{replica_set.metadata.name}": {error.message}'
            self.context.recorder.event(deployment, "Warning", "ReplicaSetCreateError", said)
            raise
        self.written.note(key, made)
        self._say_scaled(deployment, made, 0, replicas)
        await self._set_revision(deployment, revision)
        return made

    async def _collided(self, deployment: apps_v1.Deployment, name: str) -> None:
        """A stranger has that name: another hash next time."""
        there = self.sets.store.get(name, namespace=deployment.metadata.namespace or "")
        reference = controller_of(there.metadata) if there is not None else None
        if reference is not None and reference.uid == deployment.metadata.uid:
            return  # ours, made a moment ago
        current = await self.client.resource(apps_v1.Deployment).get(
            deployment.metadata.name or "", namespace=deployment.metadata.namespace or ""
        )
        current.status.collisionCount = (current.status.collisionCount or 0) + 1
        await self.client.resource(apps_v1.Deployment).update_status(current)

    # --- strategies ---

    async def _roll(
        self,
        key: str,
        deployment: apps_v1.Deployment,
        new: apps_v1.ReplicaSet | None,
        old: list[apps_v1.ReplicaSet],
    ) -> tuple[apps_v1.ReplicaSet | None, bool]:
        every = [*old, *([new] if new is not None else [])]
        if new is None:
            made = await self._create_new(key, deployment, old, decide.new_size(deployment, None, every))
            return made, made is not None
        target = decide.new_size(deployment, new, every) if size(new) < wanted(deployment) else wanted(deployment)
        if target != size(new):
            return await self._resize(key, deployment, new, target), False
        if old:
            for replica_set in old:
                shrunk = decide.old_sizes(deployment, new, [r for r in old if size(r)])
                name = replica_set.metadata.name or ""
                if name in shrunk and shrunk[name] != size(replica_set):
                    await self._resize(key, deployment, replica_set, shrunk[name])
                    return new, False
        return new, False

    async def _recreate(
        self,
        key: str,
        deployment: apps_v1.Deployment,
        new: apps_v1.ReplicaSet | None,
        old: list[apps_v1.ReplicaSet],
    ) -> tuple[apps_v1.ReplicaSet | None, bool]:
        shrinking = [r for r in old if size(r)]
        for replica_set in shrinking:
            await self._resize(key, deployment, replica_set, 0)
        if shrinking or any(self._has_pods(r) for r in old):
            return new, False
        if new is None:
            made = await self._create_new(key, deployment, old, wanted(deployment))
            return made, made is not None
        if size(new) != wanted(deployment):
            return await self._resize(key, deployment, new, wanted(deployment)), False
        return new, False

    def _has_pods(self, replica_set: apps_v1.ReplicaSet) -> bool:
        """Pods that run or are still going."""
        owned = self.pods.store.by_index(BY_OWNER, replica_set.metadata.uid or "")
        return any(is_active(p) or p.status.phase not in ("Succeeded", "Failed") for p in owned)

    @staticmethod
    def _is_scaling(deployment: apps_v1.Deployment, every: list[apps_v1.ReplicaSet]) -> bool:
        """The number of replicas was changed since the ReplicaSets were last sized."""
        for replica_set in every:
            said = (replica_set.metadata.annotations or {}).get(DESIRED)
            if size(replica_set) and said is not None and said != str(wanted(deployment)):
                return True
        return False

    async def _scale_all(
        self,
        key: str,
        deployment: apps_v1.Deployment,
        new: apps_v1.ReplicaSet | None,
        old: list[apps_v1.ReplicaSet],
    ) -> None:
        every = [*old, *([new] if new is not None else [])]
        active = [r for r in every if size(r)]
        if len(active) <= 1:
            latest = active[0] if active else new or max(every, key=decide.revision_of, default=None)
            if latest is not None:
                await self._resize(key, deployment, latest, wanted(deployment))
            return
        saturated = new is not None and (new.status.availableReplicas or 0) == size(new) == wanted(deployment)
        if saturated:
            for replica_set in old:
                await self._resize(key, deployment, replica_set, 0)
            return
        if deployment.spec.strategy.type == "Recreate":
            return
        sizes = decide.proportional(deployment, active)
        for replica_set in active:
            await self._resize(key, deployment, replica_set, sizes[replica_set.metadata.name or ""])

    async def _resize(
        self, key: str, deployment: apps_v1.Deployment, replica_set: apps_v1.ReplicaSet, target: int
    ) -> apps_v1.ReplicaSet:
        surge = decide.fence(deployment).surge if deployment.spec.strategy.type != "Recreate" else 0
        annotations = {
            **(replica_set.metadata.annotations or {}),
            DESIRED: str(wanted(deployment)),
            MAX: str(wanted(deployment) + surge),
        }
        before = size(replica_set)
        if before == target and annotations == replica_set.metadata.annotations:
            return replica_set
        meta = _copy_meta(replica_set.metadata)
        meta.annotations = annotations
        changed = _with_meta(replica_set, meta)
        changed.spec = _with_spec(replica_set.spec, replicas=target)
        made: apps_v1.ReplicaSet = await self._resource.update(changed)
        self.written.note(key, made)
        if before != target:
            self._say_scaled(deployment, made, before, target)
        return made

    def _say_scaled(
        self, deployment: apps_v1.Deployment, replica_set: apps_v1.ReplicaSet, before: int, after: int
    ) -> None:
        if before == after:
            return
        way = "up" if after > before else "down"
        said = f"Scaled {way} replica set {replica_set.metadata.name} from {before} to {after}"
        self.context.recorder.event(deployment, "Normal", "ScalingReplicaSet", said)

    async def _clean_up(self, key: str, deployment: apps_v1.Deployment, old: list[apps_v1.ReplicaSet]) -> None:
        """Old, empty ReplicaSets beyond the history that is kept."""
        limit = deployment.spec.revisionHistoryLimit
        if limit is None:
            return
        empty = [
            r
            for r in old
            if not size(r)
            and not r.status.replicas
            and not r.metadata.deletionTimestamp
            and (r.status.observedGeneration or 0) >= (r.metadata.generation or 0)
        ]
        for replica_set in sorted(empty, key=decide.revision_of)[: max(0, len(empty) - limit)]:
            meta = replica_set.metadata
            try:
                await self._resource.delete(meta.name or "", namespace=meta.namespace or "", uid=meta.uid or "")
            except NotFound:
                continue
            self.written.note_deleted(key, replica_set)

    # --- what is said of it ---

    async def _write_status(
        self,
        key: str,
        deployment: apps_v1.Deployment,
        new: apps_v1.ReplicaSet | None,
        every: list[apps_v1.ReplicaSet],
        *,
        created: bool = False,
    ) -> None:
        status = counts(deployment, new, every)
        status = with_conditions(deployment, status, new, every, self.clock.now(), created=created)
        if msgspec.json.encode(status) == msgspec.json.encode(deployment.status):
            return
        changed = apps_v1.Deployment(
            kind=KIND, apiVersion=API, metadata=deployment.metadata, spec=deployment.spec, status=status
        )
        try:
            await self.client.resource(apps_v1.Deployment).update_status(changed)
        except Conflict:
            self.queue.add(key)
        except NotFound:
            return


def _by_age(sets: list[apps_v1.ReplicaSet]) -> list[apps_v1.ReplicaSet]:
    return sorted(sets, key=lambda r: (r.metadata.creationTimestamp or "", r.metadata.name or ""))


def _inherited(deployment: apps_v1.Deployment) -> dict[str, str]:
    return {k: v for k, v in (deployment.metadata.annotations or {}).items() if k not in OWN_ANNOTATIONS}


def _copy_meta(meta: meta_v1.ObjectMeta) -> meta_v1.ObjectMeta:
    return meta_v1.ObjectMeta(**{f: getattr(meta, f) for f in meta.__struct_fields__})


def _with_meta(replica_set: apps_v1.ReplicaSet, meta: meta_v1.ObjectMeta) -> apps_v1.ReplicaSet:
    return apps_v1.ReplicaSet(
        kind="ReplicaSet", apiVersion=API, metadata=meta, spec=replica_set.spec, status=replica_set.status
    )


def _with_spec(spec: apps_v1.ReplicaSetSpec, **changes: object) -> apps_v1.ReplicaSetSpec:
    fields = {f: getattr(spec, f) for f in spec.__struct_fields__}
    return apps_v1.ReplicaSetSpec(**{**fields, **changes})
