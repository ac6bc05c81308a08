"""A controller whose keys are Services, and whose Services change when their Pods do."""

from __future__ import annotations

from collections.abc import Mapping

from sampan.api.types import core_v1
from sampan.client.codec import key_of
from sampan.controllers.contract import Context, KeyedController
from sampan.controllers.services.backends import differ

# A Service of many Pods that all change is looked at in steps: its cost grows with its Pods, and so do the steps.
QUIET_PER_POD = 0.001
LONGEST_QUIET = 1.0


class ByService(KeyedController):
    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.services = context.informer(core_v1.Service)
        self.pods = context.informer(core_v1.Pod)
        self.quiet: dict[str, float] = {}
        self.services.add_key_handler(self.wake)
        self.pods.add_handler(on_add=self._pod, on_update=self._pod_changed, on_delete=self._pod)

    def wake(self, key: str) -> None:
        self.queue.add_after(key, self.quiet.get(key, 0.0) - self.clock.monotonic())

    def selected(self, service: core_v1.Service) -> list[core_v1.Pod]:
        wanted = service.spec.selector or {}
        found = self.pods.store.list(namespace=service.metadata.namespace or "")
        pods = [pod for pod in found if selects(wanted, pod.metadata.labels)]
        quiet = min(LONGEST_QUIET, len(pods) * QUIET_PER_POD)
        self.quiet[key_of(service)] = self.clock.monotonic() + quiet
        return pods

    def _pod(self, pod: core_v1.Pod) -> None:
        self._wake_for(pod.metadata.namespace or "", pod.metadata.labels)

    def _pod_changed(self, old: core_v1.Pod, new: core_v1.Pod) -> None:
        if not differ(old, new):
            return
        self._pod(new)
        if old.metadata.labels != new.metadata.labels:
            self._pod(old)

    def _wake_for(self, namespace: str, labels: Mapping[str, str] | None) -> None:
        for service in self.services.store.list(namespace=namespace):
            if service.spec.selector and selects(service.spec.selector, labels):
                self.wake(key_of(service))


def selects(selector: Mapping[str, str], labels: Mapping[str, str] | None) -> bool:
    have = labels or {}
    return all(have.get(k) == v for k, v in selector.items())
