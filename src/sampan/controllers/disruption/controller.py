"""Keeps the status of every PodDisruptionBudget."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from sampan.api import times
from sampan.api.errors import NotFound
from sampan.api.meta import controller_of
from sampan.api.selectors import labels as label_selectors
from sampan.api.types import core_v1
from sampan.client.codec import key_of
from sampan.controllers.contract import Context, KeyedController
from sampan.controllers.disruption.decide import (
    Budget,
    healthy,
    needs_scale,
    numbers,
    status,
    still_disrupted,
    unmanaged,
)
from sampan.controllers.disruption.decide import with_condition as condition
from sampan.controllers.disruption.scale import NoScale, Scales

AGAIN = 30.0  # seconds until a budget that could not be counted is tried again


class Disruption(KeyedController):
    """Keys are budgets."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.budgets = context.informer(Budget)
        self.pods = context.informer(core_v1.Pod)
        self.scales = Scales(context)
        self.recorder = context.recorder
        self.budgets.add_key_handler(self.queue.add)
        self.pods.add_handler(on_add=self._pod, on_update=self._pod_changed, on_delete=self._pod)

    def _pod(self, pod: core_v1.Pod) -> None:
        self._wake(pod.metadata.namespace or "", pod.metadata.labels)

    def _pod_changed(self, old: core_v1.Pod, new: core_v1.Pod) -> None:
        if (
            old.status.conditions != new.status.conditions
            or old.metadata.deletionTimestamp != new.metadata.deletionTimestamp
            or old.metadata.labels != new.metadata.labels
            or old.metadata.ownerReferences != new.metadata.ownerReferences
        ):
            self._pod(new)
            if old.metadata.labels != new.metadata.labels:
                self._pod(old)

    def _wake(self, namespace: str, labels: Mapping[str, str] | None) -> None:
        for budget in self.budgets.store.list(namespace=namespace):
            if label_selectors.from_label_selector(budget.spec.selector).matches(labels):
                self.queue.add(key_of(budget))

    async def reconcile(self, key: str) -> float | None:
        budget = self.budgets.store.by_key(key)
        if budget is None or budget.metadata.deletionTimestamp:
            return None
        selector = label_selectors.from_label_selector(budget.spec.selector)
        namespace = budget.metadata.namespace or ""
        pods = [p for p in self.pods.store.list(namespace=namespace) if selector.matches(p.metadata.labels)]
        if not pods:
            self.recorder.event(budget, "Normal", "NoPods", "No matching pods found")
        try:
            return await self._count(budget, pods)
        except NotFound:
            return None
        except (NoScale, ValueError) as error:
            await self._fail_safe(budget, str(error))
            return AGAIN

    async def _count(self, budget: Budget, pods: list[core_v1.Pod]) -> float | None:
        scale = await self.scales.expected(pods) if needs_scale(budget) else 0
        if needs_scale(budget) and any(controller_of(pod) is None for pod in pods):
            self.recorder.event(budget, "Warning", "UnmanagedPods", unmanaged(budget.spec.selector))
        wanted = numbers(budget, len(pods), scale)
        now = self.clock.now()
        disrupted, late, again = still_disrupted(budget, pods, now)
        for pod in late:
            said = f"Pod was expected by PDB {key_of(budget)} to be deleted but it wasn't"
            self.recorder.event(pod, "Warning", "NotDeleted", said)
        new = status(budget, wanted, healthy(pods, disrupted), disrupted, times.format(now))
        await self._write(budget, new)
        return again

    async def _fail_safe(self, budget: Budget, why: str) -> None:
        """Nothing may go while nobody can count."""
        said = f"Failed to calculate the number of expected pods: {why}"
        self.recorder.event(budget, "Warning", "CalculateExpectedPodCountFailed", said)
        conditions = condition(budget, "False", "SyncFailed", why, times.format(self.clock.now()))
        generation = budget.metadata.generation
        await self._write(
            budget,
            replace(budget.status, conditions=conditions, disruptionsAllowed=0, observedGeneration=generation),
        )

    async def _write(self, budget: Budget, new: object) -> None:
        if budget.status != new:
            await self.client.resource(Budget).update_status(replace(budget, status=new))
