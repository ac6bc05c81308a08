"""Deletes Pods that their Node's NoExecute taints drive out."""

from __future__ import annotations

from msgspec import to_builtins

from sampan.api import times
from sampan.api.errors import Conflict, NotFound
from sampan.api.types import core_v1
from sampan.client.calls import STRATEGIC_PATCH
from sampan.client.codec import key_of
from sampan.controllers.contract import Context, KeyedController
from sampan.controllers.indexes import PODS_BY_NODE, node_of
from sampan.controllers.taint_eviction.decide import NO_EXECUTE, leave_at


class TaintEviction(KeyedController):
    """Keys are Pods."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.nodes = context.informer(core_v1.Node)
        self.pods = context.informer(core_v1.Pod, indexes={PODS_BY_NODE: node_of})
        self.recorder = context.recorder
        self.leaving: dict[str, float] = {}  # since when a Pod has to leave some time
        self.nodes.add_handler(on_add=self._node, on_update=self._node_changed)
        self.pods.add_handler(
            on_add=self._pod, on_update=self._pod_changed, on_delete=lambda pod: self.leaving.pop(key_of(pod), None)
        )

    def _node(self, node: core_v1.Node) -> None:
        for pod in self.pods.store.by_index(PODS_BY_NODE, node.metadata.name or ""):
            self.queue.add(key_of(pod))

    def _node_changed(self, old: core_v1.Node, new: core_v1.Node) -> None:
        if _no_execute(old) != _no_execute(new):
            self._node(new)

    def _pod(self, pod: core_v1.Pod) -> None:
        node = self.nodes.store.by_key(pod.spec.nodeName or "")
        if node is not None and _no_execute(node):
            self.queue.add(key_of(pod))

    def _pod_changed(self, old: core_v1.Pod, new: core_v1.Pod) -> None:
        if old.spec.nodeName != new.spec.nodeName or old.spec.tolerations != new.spec.tolerations:
            self._pod(new)

    async def reconcile(self, key: str) -> float | None:
        pod = self.pods.store.by_key(key)
        node = self.nodes.store.by_key(pod.spec.nodeName or "") if pod is not None else None
        if pod is None or node is None or pod.metadata.deletionTimestamp:
            self.leaving.pop(key, None)
            return None
        now = self.clock.now()
        since = self.leaving.get(key, now)
        end = leave_at(pod.spec.tolerations, node.spec.taints, since)
        if end is None:
            if self.leaving.pop(key, None) is not None:
                self.recorder.event(pod, "Normal", "TaintManagerEviction", f"Cancelling deletion of Pod {key}")
            return None
        self.leaving[key] = since
        if end > now:
            return end - now
        self.recorder.event(pod, "Normal", "TaintManagerEviction", f"Marking for deletion Pod {key}")
        await self._delete(pod)
        return None

    async def _delete(self, pod: core_v1.Pod) -> None:
        pods = self.client.resource(core_v1.Pod)
        name, namespace = pod.metadata.name or "", pod.metadata.namespace or ""
        condition = core_v1.PodCondition(
            type="DisruptionTarget",
            status="True",
            reason="DeletionByTaintManager",
            message="Taint manager: deleting due to NoExecute taint",
            lastTransitionTime=times.format(self.clock.now()),
            observedGeneration=pod.metadata.generation,
        )
        body = {"metadata": {"uid": pod.metadata.uid}, "status": {"conditions": [to_builtins(condition)]}}
        try:
            await pods.patch(name, body, namespace=namespace, type=STRATEGIC_PATCH, subresource="status")
            await pods.delete(name, namespace=namespace, uid=pod.metadata.uid or "")
        except (NotFound, Conflict):
            pass  # it is another Pod by now


def _no_execute(node: core_v1.Node) -> list[core_v1.Taint]:
    return [t for t in node.spec.taints or () if t.effect == NO_EXECUTE]
