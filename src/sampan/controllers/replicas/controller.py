"""Reads the owner and its Pods, decides (`decide.py`), makes or deletes, writes the status, also when acting failed."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec

from sampan.api.errors import ApiError, Conflict, NotFound
from sampan.api.selectors import labels as label_selectors
from sampan.api.types import apps_v1, core_v1, meta_v1
from sampan.client.clock import rfc3339
from sampan.client.informer import Informer
from sampan.controllers.contract import Context, KeyedController
from sampan.controllers.owned_pods import (
    BY_OWNER,
    ORPHANS,
    PodControl,
    claim,
    controller_of,
    from_template,
    owner_index,
    owner_reference,
)
from sampan.controllers.replicas.decide import Tally, plan, tally
from sampan.controllers.written import LOOK_AGAIN, Written

T = TypeVar("T", apps_v1.ReplicaSet, core_v1.ReplicationController)


class Replicas(KeyedController, Generic[T]):
    """What ReplicaSets and ReplicationControllers have in common: all but their selector's form."""

    kind: type[T]
    api_version: str

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.owners: Informer[T] = context.informer(self.kind)
        self.pods = context.informer(core_v1.Pod, indexes={BY_OWNER: owner_index})
        self.written = Written(context.clock)
        self.control = PodControl(context.client, context.recorder, self.written)
        self.owners.add_key_handler(self.queue.add)
        self.pods.add_handler(on_add=self._pod, on_update=self._pod_changed, on_delete=self._pod)

    def selector(self, owner: T) -> Any:
        raise NotImplementedError

    def _pod(self, pod: core_v1.Pod) -> None:
        reference = controller_of(pod.metadata)
        if reference is not None:
            if reference.kind == self.kind.__name__ and reference.apiVersion == self.api_version:
                self.queue.add(f"{pod.metadata.namespace}/{reference.name}")
            return
        for owner in self.owners.store.list(namespace=pod.metadata.namespace or ""):
            if self.selector(owner).matches(pod.metadata.labels or {}):
                self.queue.add(f"{pod.metadata.namespace}/{owner.metadata.name}")

    def _pod_changed(self, old: core_v1.Pod, new: core_v1.Pod) -> None:
        self._pod(new)
        if controller_of(old.metadata) != controller_of(new.metadata):
            self._pod(old)

    async def reconcile(self, key: str) -> float | None:
        owner = self.owners.store.by_key(key)
        if owner is None:
            self.written.forget(key)
            return None
        if self.written.is_behind(key, self.pods.store):
            return LOOK_AGAIN
        meta: meta_v1.ObjectMeta = owner.metadata
        selector = self.selector(owner)
        namespace: str = meta.namespace or ""
        near = [
            *self.pods.store.by_index(BY_OWNER, meta.uid or ""),
            *self.pods.store.by_index(BY_OWNER, f"{ORPHANS}/{namespace}"),
        ]
        found = claim(meta, near, selector.matches)
        pods = await self.control.settle_claim(key, self.api_version, self.kind.__name__, meta, found)
        now = self.clock.now()
        failure: ApiError | None = None
        if not meta.deletionTimestamp:
            try:
                await self._act(key, owner, pods, now)
            except ApiError as error:
                failure = error
        template = owner.spec.template or core_v1.PodTemplateSpec()
        labels = template.metadata.labels or {}

        def is_labelled(own: dict[str, str]) -> bool:
            return all(own.get(k) == v for k, v in labels.items())

        counted = tally(pods, is_labelled, owner.spec.minReadySeconds or 0, now)
        await self._write_status(owner, counted, failure)
        if failure is not None:
            raise failure
        return counted.again_in

    async def _act(self, key: str, owner: T, pods: list[core_v1.Pod], now: float) -> None:
        meta = owner.metadata
        wanted = 1 if owner.spec.replicas is None else owner.spec.replicas
        decided = plan(wanted, pods, now)
        if decided.create:
            template = owner.spec.template or core_v1.PodTemplateSpec()
            reference = owner_reference(self.api_version, self.kind.__name__, meta)

            def make() -> core_v1.Pod:
                return from_template(template, meta.namespace or "", f"{meta.name}-", reference)

            await self.control.create_many(key, owner, decided.create, make)
        if decided.delete:
            await self.control.delete_many(key, owner, decided.delete)

    async def _write_status(self, owner: T, counted: Tally, failure: ApiError | None) -> None:
        old = owner.status
        status = type(old)(
            replicas=counted.replicas,
            fullyLabeledReplicas=counted.labelled or None,
            readyReplicas=counted.ready or None,
            availableReplicas=counted.available or None,
            observedGeneration=owner.metadata.generation,
            conditions=self._conditions(owner, failure),
        )
        if isinstance(status, apps_v1.ReplicaSetStatus):
            status.terminatingReplicas = counted.terminating or None
            if isinstance(old, apps_v1.ReplicaSetStatus) and old.terminatingReplicas == 0 and not counted.terminating:
                status.terminatingReplicas = 0
        if msgspec.json.encode(status) == msgspec.json.encode(old):
            return
        changed = type(owner)(
            kind=self.kind.__name__,
            apiVersion=self.api_version,
            metadata=owner.metadata,
            spec=owner.spec,
            status=status,
        )
        try:
            await self.client.resource(self.kind).update_status(changed)
        except (Conflict, NotFound):
            self.queue.add(f"{owner.metadata.namespace}/{owner.metadata.name}")

    def _conditions(self, owner: T, failure: ApiError | None) -> Any:
        kept = [c for c in owner.status.conditions or () if c.type != "ReplicaFailure"]
        if failure is not None:
            before = next((c for c in owner.status.conditions or () if c.type == "ReplicaFailure"), None)
            made = self._condition()(
                type="ReplicaFailure",
                status="True",
                reason="FailedCreate",
                message=failure.message,
                lastTransitionTime=before.lastTransitionTime if before else rfc3339(self.clock.now()),
            )
            kept.append(made)
        return kept or None

    def _condition(self) -> Any:
        return (
            apps_v1.ReplicaSetCondition if self.kind is apps_v1.ReplicaSet else core_v1.ReplicationControllerCondition
        )


class ReplicaSets(Replicas[apps_v1.ReplicaSet]):
    kind = apps_v1.ReplicaSet
    api_version = "apps/v1"

    def selector(self, owner: apps_v1.ReplicaSet) -> Any:
        return label_selectors.from_label_selector(owner.spec.selector)


class ReplicationControllers(Replicas[core_v1.ReplicationController]):
    kind = core_v1.ReplicationController
    api_version = "v1"

    def selector(self, owner: core_v1.ReplicationController) -> Any:
        chosen = owner.spec.selector or (owner.spec.template.metadata.labels if owner.spec.template else None)
        return label_selectors.from_set(chosen) if chosen else _NOTHING


class _Nothing:
    @staticmethod
    def matches(labels: dict[str, str] | None) -> bool:
        del labels
        return False


_NOTHING = _Nothing()
