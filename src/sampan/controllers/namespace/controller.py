"""Empties a namespace that was deleted, then lets it go.

Pods go before everything else, so that nothing they rely on (policies, Secrets, claims) is gone while they still run.
Whatever holds the rest up is said in the namespace's conditions.
"""

from __future__ import annotations

from msgspec.structs import replace

from sampan.api import times
from sampan.api.errors import NotFound
from sampan.api.types import core_v1
from sampan.controllers.contract import Context, KeyedController
from sampan.controllers.namespace.content import delete_all
from sampan.controllers.namespace.decide import Remaining, conditions, terminating, without
from sampan.controllers.resources import deletable, discover

FINALIZER = "kubernetes"
FIRST_LOOK, LAST_LOOK = 0.05, 8.0  # seconds until what remains is looked at again: doubled each time


class Namespaces(KeyedController):
    """Keys are namespaces."""

    workers = 4

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.namespaces = context.informer(core_v1.Namespace)
        self.pods = context.informer(core_v1.Pod)
        self.looks: dict[str, int] = {}
        self.namespaces.add_handler(
            on_add=self._changed, on_update=lambda _, new: self._changed(new), on_delete=self._gone
        )
        self.pods.add_handler(on_delete=self._pod_gone)

    def _changed(self, namespace: core_v1.Namespace) -> None:
        if namespace.metadata.deletionTimestamp and FINALIZER in (namespace.spec.finalizers or ()):
            name = namespace.metadata.name or ""
            if name not in self.looks:
                self.queue.add(name)

    def _gone(self, namespace: core_v1.Namespace) -> None:
        self.looks.pop(namespace.metadata.name or "", None)

    def _pod_gone(self, pod: core_v1.Pod) -> None:
        """The last Pod is what most namespaces wait for; the others are not worth a look."""
        namespace = pod.metadata.namespace or ""
        if namespace in self.looks and not self.pods.store.list(namespace=namespace):
            self.queue.add(namespace)

    async def reconcile(self, key: str) -> float | None:
        namespaces = self.client.resource(core_v1.Namespace)
        try:
            namespace = await namespaces.get(key)
            if not namespace.metadata.deletionTimestamp or FINALIZER not in (namespace.spec.finalizers or ()):
                return None
            self.looks.setdefault(key, 0)
            if namespace.status.phase != "Terminating":
                namespace = await namespaces.update_status(terminating(namespace))
            left = await self._empty(key)
            new = conditions(namespace.status.conditions, left, times.format(self.clock.now()))
            if left.is_empty:
                await self._let_go(namespace)
                return None
            if new is not None:
                await namespaces.update_status(replace(namespace, status=replace(namespace.status, conditions=new)))
        except NotFound:
            self.looks.pop(key, None)
            return None
        return self._next_look(key)

    async def _empty(self, namespace: str) -> Remaining:
        found = await discover(self.client)
        resources = [info for info in deletable(found.resources) if info.namespaced]
        pods = [info for info in resources if info.resource == "pods" and not info.group]
        left = await delete_all(self.client, namespace, pods)
        if left.is_empty:
            left = await delete_all(self.client, namespace, [info for info in resources if info not in pods])
        left.failed_groups = found.failed
        return left

    async def _let_go(self, namespace: core_v1.Namespace) -> None:
        spec = replace(namespace.spec, finalizers=without(namespace.spec.finalizers, FINALIZER))
        await self.client.resource(core_v1.Namespace).update(replace(namespace, spec=spec), subresource="finalize")

    def _next_look(self, key: str) -> float:
        """A finalizer that nobody removes is looked at every few seconds, not in a loop."""
        count = self.looks[key] = self.looks.get(key, 0) + 1
        return float(min(LAST_LOOK, FIRST_LOOK * 2.0 ** min(count - 1, 20)))
