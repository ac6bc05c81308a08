"""A controller whose keys are Services, and whose Services change when their Pods do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from sampan.api.types import core_v1
from sampan.client.codec import key_of
from sampan.controllers.contract import Context, KeyedController
from sampan.controllers.indexes import PODS_BY_LABEL, labels_of
from sampan.controllers.services.backends import addresses, differ

SERVICES_BY_SELECTOR = "controllers/selector"


class ByService(KeyedController):
    # After a look at a Service comes a pause, longer for one of many Pods: when they all change, it is looked at in
    # steps. The first change is never delayed.
    shortest_pause: ClassVar[float] = 0.05
    longest_pause: ClassVar[float] = 1.0
    pause_per_pod: ClassVar[float] = 0.001

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.services = context.informer(core_v1.Service, indexes={SERVICES_BY_SELECTOR: selector_of})
        self.pods = context.informer(core_v1.Pod, indexes={PODS_BY_LABEL: labels_of})
        self.quiet: dict[str, float] = {}
        self.services.add_key_handler(self.wake)
        self.pods.add_handler(on_add=self._pod, on_update=self._pod_changed, on_delete=self._pod)

    def wake(self, key: str) -> None:
        self.queue.add_after(key, self.quiet.get(key, 0.0) - self.clock.monotonic())

    def selected(self, service: core_v1.Service) -> list[core_v1.Pod]:
        wanted, namespace = service.spec.selector or {}, service.metadata.namespace
        by_label = [self.pods.store.by_index(PODS_BY_LABEL, f"{namespace}/{k}={v}") for k, v in wanted.items()]
        pods = [pod for pod in min(by_label, key=len, default=[]) if selects(wanted, pod.metadata.labels)]
        pause = min(self.longest_pause, max(self.shortest_pause, len(pods) * self.pause_per_pod))
        self.quiet[key_of(service)] = self.clock.monotonic() + pause
        return pods

    def _pod(self, pod: core_v1.Pod) -> None:
        if addresses(pod):  # no Service has a Pod without an address
            self._wake_for(pod)

    def _pod_changed(self, old: core_v1.Pod, new: core_v1.Pod) -> None:
        if not (addresses(old) or addresses(new)) or not differ(old, new):
            return
        self._wake_for(new)
        if old.metadata.labels != new.metadata.labels:
            self._wake_for(old)

    def _wake_for(self, pod: core_v1.Pod) -> None:
        for label in labels_of(pod):
            for service in self.services.store.by_index(SERVICES_BY_SELECTOR, label):
                if selects(service.spec.selector or {}, pod.metadata.labels):
                    self.wake(key_of(service))


def selector_of(service: core_v1.Service) -> list[str]:
    """One of the labels that it selects: a Pod that it selects has that one as well."""
    first = min((service.spec.selector or {}).items(), default=None)
    return [f"{service.metadata.namespace}/{first[0]}={first[1]}"] if first is not None else []


def selects(selector: Mapping[str, str], labels: Mapping[str, str] | None) -> bool:
    have = labels or {}
    return all(have.get(k) == v for k, v in selector.items())
