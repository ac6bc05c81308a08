"""One Deployment, one step nearer to what it says: the whole policy is `_sync`."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from sampan.api.errors import NotFound
from sampan.api.selectors import labels as label_selectors
from sampan.api.types import apps_v1, core_v1
from sampan.controllers.contract import Context, KeyedController
from sampan.controllers.deployment import decide
from sampan.controllers.deployment.annotations import of_deployment
from sampan.controllers.deployment.decide import size, wanted
from sampan.controllers.deployment.replica_sets import API, KIND, Created, ReplicaSetControl
from sampan.controllers.deployment.status import counts, deadline_in, with_conditions
from sampan.controllers.owned_pods import BY_OWNER, controller_of, is_over, owner_index
from sampan.controllers.workload import AWAIT
from sampan.controllers.written import Written

Sets = list[apps_v1.ReplicaSet]


class Deployments(KeyedController):
    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.deployments = context.informer(apps_v1.Deployment)
        self.sets = context.informer(apps_v1.ReplicaSet, indexes={BY_OWNER: owner_index})
        self.pods = context.informer(core_v1.Pod, indexes={BY_OWNER: owner_index})
        self.written = Written(context.clock)  # ReplicaSets
        self.said = Written(context.clock)  # the Deployment itself
        self.control = ReplicaSetControl(context.client, self.sets, context.recorder, self.written)
        self.deployments.add_key_handler(self.queue.add)
        self.sets.add_handler(on_add=self._set, on_update=self._set_changed, on_delete=self._set)
        self.pods.add_handler(on_delete=self._pod_gone)

    # --- what wakes it ---

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

    def _set_changed(self, old: apps_v1.ReplicaSet, new: apps_v1.ReplicaSet) -> None:
        self._set(new)
        if controller_of(old.metadata) != controller_of(new.metadata):
            self._set(old)

    def _pod_gone(self, pod: core_v1.Pod) -> None:
        """Recreate waits for the last old Pod to be gone."""
        reference = controller_of(pod.metadata)
        owner = self.sets.store.get(reference.name, namespace=pod.metadata.namespace or "") if reference else None
        if owner is not None:
            self._set(owner)

    # --- the policy ---

    async def reconcile(self, key: str) -> float | None:
        deployment = self.deployments.store.by_key(key)
        if deployment is None:
            self.written.forget(key)
            self.said.forget(key)
            return None
        if self.written.is_behind(key, self.sets) or self.said.is_behind(key, self.deployments):
            return AWAIT
        selector = deployment.spec.selector
        if selector is not None and not selector.matchLabels and not selector.matchExpressions:
            said = "This deployment is selecting all pods. A non-empty selector is required."
            self.context.recorder.event(deployment, "Warning", "SelectingAll", said)
            return None
        return await self._sync(key, deployment)

    async def _sync(self, key: str, deployment: apps_v1.Deployment) -> float | None:
        every = await self.control.claimed(key, deployment)
        new = decide.newest_of(deployment, every)
        old = [r for r in every if r is not new]
        if deployment.metadata.deletionTimestamp:
            await self._write_status(key, deployment, new, old)
            return None
        if new is not None:
            new = await self.control.adjust_newest(key, deployment, new, old)
        if deployment.spec.paused or decide.is_resized(deployment, every):
            await self._scale_all(key, deployment, new, old)
            await self._write_status(key, deployment, new, old, is_rolling=False)
            if deployment.spec.paused:
                await self._drop_history(key, deployment, old)
            return None
        before = new
        made = await (self._recreate if deployment.spec.strategy.type == "Recreate" else self._roll)(
            key, deployment, new, old
        )
        new = made.made
        status = await self._write_status(
            key, deployment, new, old, created=before is None and new is not None, failure=made.failure
        )
        if decide.is_complete(deployment, status):
            await self._drop_history(key, deployment, old)
        if made.failure:
            raise CreateFailed(made.failure)
        left = deadline_in(deployment, status, self.clock.now())
        return max(left, 0.1) if left is not None and left > 0 else None

    async def _roll(
        self, key: str, deployment: apps_v1.Deployment, new: apps_v1.ReplicaSet | None, old: Sets
    ) -> Created:
        if new is None:
            return await self.control.create(key, deployment, old, decide.new_size(deployment, None, old))
        target = decide.new_size(deployment, new, [*old, new])
        if target != size(new):
            return Created(await self.control.resize(key, deployment, new, target))
        by_name = {r.metadata.name or "": r for r in old}
        for step in decide.shrink_old(deployment, new, [r for r in old if size(r)]):
            by_name[step.name] = await self.control.resize(key, deployment, by_name[step.name], step.size)
        return Created(new)

    async def _recreate(
        self, key: str, deployment: apps_v1.Deployment, new: apps_v1.ReplicaSet | None, old: Sets
    ) -> Created:
        shrinking = [r for r in old if size(r)]
        for replica_set in shrinking:
            await self.control.resize(key, deployment, replica_set, 0)
        if shrinking or any(self._has_pods(r) for r in old):
            return Created(new)
        if new is None:
            return await self.control.create(key, deployment, old, wanted(deployment))
        return Created(await self.control.resize(key, deployment, new, wanted(deployment)))

    def _has_pods(self, replica_set: apps_v1.ReplicaSet) -> bool:
        """Pods that run or are still going."""
        return any(not is_over(p) for p in self.pods.store.by_index(BY_OWNER, replica_set.metadata.uid or ""))

    async def _scale_all(
        self, key: str, deployment: apps_v1.Deployment, new: apps_v1.ReplicaSet | None, old: Sets
    ) -> None:
        only = decide.active_or_latest(new, old)
        if only is not None:
            await self.control.resize(key, deployment, only, wanted(deployment))
            return
        if decide.is_saturated(deployment, new):
            for replica_set in old:
                if size(replica_set):
                    await self.control.resize(key, deployment, replica_set, 0)
            return
        if deployment.spec.strategy.type == "Recreate":
            return
        active = [r for r in [*old, *([new] if new is not None else [])] if size(r)]
        sizes = decide.proportional(deployment, active)
        for replica_set in active:
            await self.control.resize(key, deployment, replica_set, sizes[replica_set.metadata.name or ""])

    async def _drop_history(self, key: str, deployment: apps_v1.Deployment, old: Sets) -> None:
        for replica_set in decide.droppable(deployment, old):
            await self.control.drop(key, replica_set)

    # --- what is said of it ---

    async def _write_status(
        self,
        key: str,
        deployment: apps_v1.Deployment,
        new: apps_v1.ReplicaSet | None,
        old: Sets,
        *,
        created: bool = False,
        failure: str = "",
        is_rolling: bool = True,
    ) -> apps_v1.DeploymentStatus:
        every = [*old, *([new] if new is not None else [])]
        status = with_conditions(
            deployment,
            counts(deployment, new, every),
            new,
            old,
            self.clock.now(),
            created=created,
            failure=failure,
            is_rolling=is_rolling,
        )
        annotations = of_deployment(deployment, new)
        is_noted = annotations == (deployment.metadata.annotations or {})
        if is_noted and msgspec.json.encode(status) == msgspec.json.encode(deployment.status):
            return status
        # The annotation goes with the status: as a change of its own it would count as a new generation.
        metadata = replace(deployment.metadata, annotations=annotations or None)
        changed = replace(deployment, kind=KIND, apiVersion=API, metadata=metadata, status=status)
        try:
            self.said.note(key, await self.client.resource(apps_v1.Deployment).update_status(changed))
        except NotFound:
            pass
        return status


class CreateFailed(Exception):
    """The new ReplicaSet was refused; it is tried again."""
