"""Reads the owner and its Pods, decides (`decide.py`), makes or deletes, writes the status, also when acting failed."""

from __future__ import annotations

from typing import Any, TypeVar

from sampan.api.errors import ApiError
from sampan.api.selectors import labels as label_selectors
from sampan.api.types import apps_v1, core_v1, meta_v1
from sampan.controllers.contract import Context
from sampan.controllers.owned_pods import (
    BY_OWNER,
    controller_of,
    from_template,
    owner_index,
    owner_reference,
    per_node_of,
)
from sampan.controllers.replicas.decide import conditions, plan, tally
from sampan.controllers.workload import Workload

T = TypeVar("T", apps_v1.ReplicaSet, core_v1.ReplicationController)


class Replicas(Workload[T]):
    """What ReplicaSets and ReplicationControllers have in common: all but their selector's and status' form."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.owners.store.add_index(BY_OWNER, owner_index)

    async def sync(self, key: str, owner: T, pods: list[core_v1.Pod]) -> float | None:
        now = self.clock.now()
        failure, reason = None, ""
        wanted = 1 if owner.spec.replicas is None else owner.spec.replicas
        decided = plan(wanted, pods, now, lambda: self._crowd(owner))
        if not owner.metadata.deletionTimestamp:
            try:
                if decided.create:
                    reason = "FailedCreate"
                    await self.control.create_many(key, owner, self._new_pods(owner, decided.create))
                if decided.delete:
                    reason = "FailedDelete"
                    await self.control.delete_many(key, owner, decided.delete)
            except ApiError as error:
                failure = error
        template = owner.spec.template or core_v1.PodTemplateSpec()
        counted = tally(pods, template.metadata.labels or {}, owner.spec.minReadySeconds or 0, now)
        said = (reason, failure.message) if failure is not None else None
        found = conditions(owner.status.conditions or (), said, now, self.condition)
        await self.write_status(key, owner, self.status(owner, counted, found))
        if failure is not None:
            raise failure
        return counted.again_in

    @staticmethod
    def _new_pods(owner: T, number: int) -> list[core_v1.Pod]:
        meta: meta_v1.ObjectMeta = owner.metadata
        template = owner.spec.template or core_v1.PodTemplateSpec()
        kind, api = (
            ("ReplicaSet", "apps/v1") if isinstance(owner, apps_v1.ReplicaSet) else ("ReplicationController", "v1")
        )
        reference = owner_reference(api, kind, meta)
        return [from_template(template, meta.namespace or "", f"{meta.name}-", reference)] * number

    def _crowd(self, owner: T) -> dict[str, int] | None:
        """How many Pods of the same Deployment each node has, whichever of its ReplicaSets made them."""
        above = controller_of(owner.metadata)
        if above is None:
            return None
        kindred = self.owners.store.by_index(BY_OWNER, above.uid)
        return per_node_of(p for r in kindred for p in self.pods.store.by_index(BY_OWNER, r.metadata.uid or ""))

    # --- what differs ---

    condition: type[Any]

    def status(self, owner: T, counted: Any, found: list[Any] | None) -> Any:
        raise NotImplementedError


class ReplicaSets(Replicas[apps_v1.ReplicaSet]):
    kind = apps_v1.ReplicaSet
    api_version = "apps/v1"
    condition = apps_v1.ReplicaSetCondition

    def status(self, owner: apps_v1.ReplicaSet, counted: Any, found: list[Any] | None) -> apps_v1.ReplicaSetStatus:
        return apps_v1.ReplicaSetStatus(
            **counted.shown(),
            terminatingReplicas=counted.terminating,
            observedGeneration=_generation(owner),
            conditions=found,
        )


class ReplicationControllers(Replicas[core_v1.ReplicationController]):
    kind = core_v1.ReplicationController
    api_version = "v1"
    condition = core_v1.ReplicationControllerCondition

    def selector(self, owner: core_v1.ReplicationController) -> Any:
        chosen = owner.spec.selector or (owner.spec.template.metadata.labels if owner.spec.template else None)
        return label_selectors.from_set(chosen) if chosen else label_selectors.NOTHING

    def status(
        self, owner: core_v1.ReplicationController, counted: Any, found: list[Any] | None
    ) -> core_v1.ReplicationControllerStatus:
        return core_v1.ReplicationControllerStatus(
            **counted.shown(), observedGeneration=_generation(owner), conditions=found
        )


def _generation(owner: Any) -> int | None:
    """Never an older one than was seen before."""
    seen: int | None = owner.metadata.generation
    return max(seen or 0, owner.status.observedGeneration or 0) or None
