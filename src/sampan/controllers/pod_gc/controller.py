"""Removes Pods that no kubelet will ever remove."""

from __future__ import annotations

import asyncio

from msgspec import to_builtins

from sampan.api import times
from sampan.api.errors import NotFound
from sampan.api.types import core_v1
from sampan.client.calls import STRATEGIC_PATCH
from sampan.client.codec import key_of
from sampan.controllers.contract import Context, KeyedController
from sampan.controllers.indexes import PODS_BY_NODE, node_of
from sampan.controllers.pod_gc.decide import OUT_OF_SERVICE, Fate, fate, is_finished, too_many

QUARANTINE = 40.0  # a Node that went may be one that is registering again
FINISHED = "#finished"
EVERY = 20.0


class PodGc(KeyedController):
    """Keys are Pods, and one for all that have finished."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.nodes = context.informer(core_v1.Node)
        self.pods = context.informer(core_v1.Pod, indexes={PODS_BY_NODE: node_of})
        self.missing: dict[str, float] = {}  # since when a Node is not there
        self.nodes.add_handler(
            on_add=lambda node: self.missing.pop(node.metadata.name or "", None),
            on_update=lambda _, new: self._tainted(new),
            on_delete=self._node_gone,
        )
        self.pods.add_handler(on_add=self._pod, on_update=lambda _, new: self._pod(new))

    def _node_gone(self, node: core_v1.Node) -> None:
        for pod in self.pods.store.by_index(PODS_BY_NODE, node.metadata.name or ""):
            self.queue.add(key_of(pod))

    def _tainted(self, node: core_v1.Node) -> None:
        if any(t.key == OUT_OF_SERVICE for t in node.spec.taints or ()):
            self._node_gone(node)

    def _pod(self, pod: core_v1.Pod) -> None:
        if is_finished(pod):
            self.queue.add_after(FINISHED, EVERY)
        node = pod.spec.nodeName
        if (node and node not in self.nodes.store) or (pod.metadata.deletionTimestamp and not node):
            self.queue.add(key_of(pod))

    async def reconcile(self, key: str) -> float | None:
        if key == FINISHED:
            await self._remove_finished()
            return None
        pod = self.pods.store.by_key(key)
        if pod is None:
            return None
        name = pod.spec.nodeName or ""
        found = fate(pod, self.nodes.store.by_key(name))
        if found is Fate.ORPHANED:
            now = self.clock.monotonic()
            left = self.missing.setdefault(name, now) + QUARANTINE - now
            if left > 0:
                return left
            if await self._exists(name):
                return QUARANTINE
        if found is not Fate.STAY:
            await self._remove(pod, found)
        return None

    async def _exists(self, node: str) -> bool:
        """The server's own word, before anything is removed by force."""
        try:
            await self.client.resource(core_v1.Node).get(node)
        except NotFound:
            return False
        return True

    async def _remove(self, pod: core_v1.Pod, why: Fate) -> None:
        pods = self.client.resource(core_v1.Pod)
        name, namespace, uid = pod.metadata.name or "", pod.metadata.namespace or "", pod.metadata.uid or ""
        try:
            if not is_finished(pod) and why is not Fate.UNSCHEDULED:
                condition = core_v1.PodCondition(
                    type="DisruptionTarget",
                    status="True",
                    reason="DeletionByPodGC",
                    message=why.value,
                    lastTransitionTime=times.format(self.clock.now()),
                    observedGeneration=pod.metadata.generation,
                )
                status = {"phase": "Failed", "conditions": [to_builtins(condition)]}
                await pods.patch(
                    name,
                    {"metadata": {"uid": uid}, "status": status},
                    namespace=namespace,
                    type=STRATEGIC_PATCH,
                    subresource="status",
                )
            await pods.delete(name, namespace=namespace, grace_period_seconds=0, uid=uid)
        except NotFound:
            pass

    async def _remove_finished(self) -> None:
        going = too_many(self.pods.store.list(), self.config.terminated_pods)
        await asyncio.gather(*(self._remove(pod, Fate.UNSCHEDULED) for pod in going))
