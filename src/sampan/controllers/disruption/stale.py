"""A Pod that was to be disrupted and was not: after two minutes its DisruptionTarget condition no longer holds.

Whoever evicts or preempts a Pod says so on the Pod before it deletes it; if it then dies, the Pod would seem doomed for
ever.
"""

from __future__ import annotations

from msgspec import to_builtins

from sampan.api import times
from sampan.api.errors import NotFound
from sampan.api.types import core_v1
from sampan.client.calls import STRATEGIC_PATCH
from sampan.client.codec import key_of
from sampan.controllers.contract import Context, KeyedController

CONDITION, BY_KUBELET = "DisruptionTarget", "TerminationByKubelet"
PATIENCE = 120.0


def stale_in(pod: core_v1.Pod, now: float) -> float | None:
    """Seconds until the condition is stale (0: it is); None where it never will be."""
    if pod.metadata.deletionTimestamp or pod.status.phase in ("Succeeded", "Failed"):
        return None
    said = next((c for c in pod.status.conditions or () if c.type == CONDITION), None)
    if said is None or said.status != "True" or said.reason == BY_KUBELET:
        return None  # a kubelet may take its time
    since = times.parse(said.lastTransitionTime) if said.lastTransitionTime else now
    return max(0.0, since + PATIENCE - now)


class StaleDisruptions(KeyedController):
    """Keys are Pods."""

    workers = 1

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.pods = context.informer(core_v1.Pod)
        self.pods.add_handler(on_add=self._pod, on_update=lambda _, new: self._pod(new))

    def _pod(self, pod: core_v1.Pod) -> None:
        if stale_in(pod, self.clock.now()) is not None:
            self.queue.add(key_of(pod))

    async def reconcile(self, key: str) -> float | None:
        pod = self.pods.store.by_key(key)
        left = stale_in(pod, self.clock.now()) if pod is not None else None
        if pod is None or left is None or left > 0:
            return left
        meta = pod.metadata
        condition = core_v1.PodCondition(
            type=CONDITION, status="False", lastTransitionTime=times.format(self.clock.now())
        )
        patch = {"metadata": {"uid": meta.uid}, "status": {"conditions": [to_builtins(condition)]}}
        try:
            await self.client.resource(core_v1.Pod).patch(
                meta.name or "",
                patch,
                namespace=meta.namespace or "",
                type=STRATEGIC_PATCH,
                subresource="status",
            )
        except NotFound:
            return None
        return None
