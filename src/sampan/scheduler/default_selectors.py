"""Which Pods the default spread constraints count with a Pod: those of the same Services and owner."""

from __future__ import annotations

from typing import Any

from sampan.api.types import apps_v1, core_v1, meta_v1
from sampan.client.shared import SharedInformerFactory
from sampan.scheduler.pod_info import PodInfo

REMEMBERED = 4096
Key = tuple[str, str, frozenset[tuple[str, str]]]


class DefaultSelectors:
    """Remembers what it found until a Service or an owner has another selector."""

    def __init__(self, informers: SharedInformerFactory) -> None:
        self._services = informers.informer(core_v1.Service)
        self._replica_sets = informers.informer(apps_v1.ReplicaSet)
        self._stateful_sets = informers.informer(apps_v1.StatefulSet)
        self._controllers = informers.informer(core_v1.ReplicationController)
        self._found: dict[Key, meta_v1.LabelSelector | None] = {}
        for informer in (self._services, self._replica_sets, self._stateful_sets, self._controllers):
            informer.add_handler(on_add=self._forget, on_update=self._changed, on_delete=self._forget)

    def of(self, pod: PodInfo) -> meta_v1.LabelSelector | None:
        if not pod.labels:
            return None
        owner = next((o for o in pod.pod.metadata.ownerReferences or () if o.controller), None)
        key = (pod.namespace, owner.uid if owner is not None else "", frozenset(pod.labels.items()))
        if key not in self._found:
            if len(self._found) >= REMEMBERED:
                self._found.clear()
            self._found[key] = self._find(pod, owner)
        return self._found[key]

    def _forget(self, _: Any) -> None:
        self._found.clear()

    def _changed(self, old: Any, new: Any) -> None:
        if old.spec.selector != new.spec.selector:
            self._found.clear()

    def _find(self, pod: PodInfo, owner: meta_v1.OwnerReference | None) -> meta_v1.LabelSelector | None:
        labels: dict[str, str] = {}
        for service in self._services.store.list(namespace=pod.namespace):
            chosen = service.spec.selector
            if chosen and all(pod.labels.get(k) == v for k, v in chosen.items()):
                labels.update(chosen)
        expressions: list[meta_v1.LabelSelectorRequirement] = []
        selector = self._owner_selector(pod.namespace, owner) if owner is not None else None
        if selector is not None:
            labels.update(selector.matchLabels or {})
            expressions = list(selector.matchExpressions or ())
        if not labels and not expressions:
            return None
        return meta_v1.LabelSelector(matchLabels=labels or None, matchExpressions=expressions or None)

    def _owner_selector(self, namespace: str, owner: meta_v1.OwnerReference) -> meta_v1.LabelSelector | None:
        match owner.kind:
            case "ReplicaSet":
                found = self._replica_sets.store.get(owner.name, namespace=namespace)
                return found.spec.selector if found is not None else None
            case "StatefulSet":
                stateful = self._stateful_sets.store.get(owner.name, namespace=namespace)
                return stateful.spec.selector if stateful is not None else None
            case "ReplicationController":
                controller = self._controllers.store.get(owner.name, namespace=namespace)
                chosen = controller.spec.selector if controller is not None else None
                return meta_v1.LabelSelector(matchLabels=chosen) if chosen else None
        return None
