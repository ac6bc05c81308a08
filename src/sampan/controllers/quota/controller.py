"""Keeps `status.used` of every ResourceQuota."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from sampan.api import quota
from sampan.api.errors import NotFound
from sampan.api.quantity import canonical, from_int
from sampan.api.types import core_v1, resource_v1
from sampan.client.codec import key_of
from sampan.controllers.contract import Context, KeyedController
from sampan.controllers.quota.counts import Counts, counted_resource

CALM = 0.02  # seconds between two counts of one quota, at least
SHARE = 20.0  # and twenty times what the last count took
RECOUNT = 300.0
KINDS = frozenset(("pods", "services", "persistentvolumeclaims"))


class ResourceQuotas(KeyedController):
    """Keys are quotas."""

    workers = 2

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.quotas = context.informer(core_v1.ResourceQuota)
        self.pods = context.informer(core_v1.Pod)
        self.services = context.informer(core_v1.Service)
        self.claims = context.informer(core_v1.PersistentVolumeClaim)
        self.devices = context.informer(resource_v1.ResourceClaim)
        self.counts = Counts(context.informers, self._something_changed)
        self.calm_until: dict[str, float] = {}
        self.quotas.add_handler(
            on_add=lambda found: self.queue.add(key_of(found)),
            on_update=lambda _, new: self.queue.add(key_of(new)),
            on_delete=lambda gone: self.calm_until.pop(key_of(gone), None),
        )
        self.pods.add_handler(on_add=self._changed, on_update=self._pod_changed, on_delete=self._changed)
        for informer in (self.services, self.claims, self.devices):
            informer.add_handler(
                on_add=self._changed, on_update=lambda _, new: self._changed(new), on_delete=self._changed
            )

    def _changed(
        self, obj: core_v1.Pod | core_v1.Service | core_v1.PersistentVolumeClaim | resource_v1.ResourceClaim
    ) -> None:
        self._something_changed(obj.metadata.namespace or "")

    def _pod_changed(self, old: core_v1.Pod, new: core_v1.Pod) -> None:
        if old.status.phase != new.status.phase or old.spec != new.spec:
            self._changed(new)

    def _something_changed(self, namespace: str) -> None:
        for found in self.quotas.store.list(namespace=namespace):
            key = key_of(found)
            self.queue.add_after(key, self.calm_until.get(key, 0.0) - self.clock.monotonic())

    async def reconcile(self, key: str) -> float | None:
        found = self.quotas.store.by_key(key)
        if found is None or found.metadata.deletionTimestamp:
            return None
        began = self.clock.monotonic()
        hard = {name: canonical(amount) for name, amount in (found.spec.hard or {}).items()}
        used = await self._used(found, hard)
        took = self.clock.monotonic() - began
        self.calm_until[key] = began + max(CALM, SHARE * took)
        if (found.status.hard or {}) != hard or (found.status.used or {}) != used:
            status = core_v1.ResourceQuotaStatus(hard={**hard} or None, used={**used} or None)
            try:
                await self.client.resource(core_v1.ResourceQuota).update_status(replace(found, status=status))
            except NotFound:
                return None
        return RECOUNT

    async def _used(self, found: core_v1.ResourceQuota, hard: dict[str, str]) -> dict[str, str]:
        amounts = [*self._amounts(found, hard)]
        used = quota.total(amounts, hard)
        for name in hard:
            wanted = counted_resource(name)
            if wanted is not None and not (wanted[0] == "" and wanted[1] in KINDS):
                number = await self.counts.count(name, found.metadata.namespace or "")
                if number is not None:
                    used[name] = str(from_int(number))
        return used

    def _amounts(self, found: core_v1.ResourceQuota, hard: dict[str, str]) -> Iterable[quota.Amounts]:
        namespace, now = found.metadata.namespace or "", self.clock.now()
        for pod in self.pods.store.list(namespace=namespace):
            if quota.covers(found.spec, pod):
                yield quota.of_pod(pod, now=now)
        if found.spec.scopes or found.spec.scopeSelector is not None:
            return  # a scope is of Pods alone
        if any("services" in name for name in hard):
            yield from map(quota.of_service, self.services.store.list(namespace=namespace))
        if any("persistentvolumeclaims" in name or "storage" in name for name in hard):
            yield from map(quota.of_claim, self.claims.store.list(namespace=namespace))
        if any("deviceclass" in name for name in hard):
            yield from map(quota.of_device_claim, self.devices.store.list(namespace=namespace))
