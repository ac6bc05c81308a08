"""Looks after ServiceCIDRs: the Ready condition, and the finalizer that holds one whose addresses are in use."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address, ip_network

from msgspec import to_builtins

from sampan.api import meta, times
from sampan.api.errors import NotFound
from sampan.api.types import meta_v1, networking_v1
from sampan.controllers.contract import Context, KeyedController

FINALIZER = "networking.k8s.io/service-cidr-finalizer"
READY = "Kubernetes Service CIDR is ready"
HELD = "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR"


def orphans(
    going: networking_v1.ServiceCIDR, others: Iterable[networking_v1.ServiceCIDR], addresses: Iterable[str]
) -> list[str]:
    """Addresses of a range that no other range covers."""
    mine = [ip_network(c) for c in going.spec.cidrs or ()]
    stay = [ip_network(c) for other in others for c in other.spec.cidrs or ()]
    found = []
    for text in addresses:
        address = ip_address(text)
        if any(address in n for n in mine) and not any(address in n for n in stay):
            found.append(text)
    return found


class ServiceCidrs(KeyedController):
    """Keys are ServiceCIDRs."""

    workers = 1

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.cidrs = context.informer(networking_v1.ServiceCIDR)
        self.addresses = context.metadata("networking.k8s.io", "v1", "ipaddresses")
        self.cidrs.add_key_handler(self.queue.add)
        self.addresses.add_handler(on_delete=lambda _: self._wake_going())

    def _wake_going(self) -> None:
        for found in self.cidrs.store:
            if found.metadata.deletionTimestamp:
                self.queue.add(found.metadata.name or "")

    async def reconcile(self, key: str) -> None:
        found = self.cidrs.store.by_key(key)
        if found is None:
            return
        try:
            if found.metadata.deletionTimestamp:
                await self._end(found)
            else:
                await self._finalizers(found, meta.with_finalizer(found, FINALIZER))
                await self._condition(found, "True", "", READY)
        except NotFound:
            pass

    async def _end(self, found: networking_v1.ServiceCIDR) -> None:
        others = [c for c in self.cidrs.store if c is not found and not c.metadata.deletionTimestamp]
        names = [a.metadata.name or "" for a in self.addresses.store]
        if orphans(found, others, names):
            await self._condition(found, "False", "Terminating", HELD)
        else:
            await self._finalizers(found, meta.without_finalizer(found, FINALIZER))

    async def _finalizers(self, found: networking_v1.ServiceCIDR, wanted: list[str] | None) -> None:
        if (found.metadata.finalizers or None) != wanted:
            body = {"metadata": {"resourceVersion": found.metadata.resourceVersion, "finalizers": wanted}}
            await self.client.resource(networking_v1.ServiceCIDR).patch(found.metadata.name or "", body)

    async def _condition(self, found: networking_v1.ServiceCIDR, truth: str, reason: str, message: str) -> None:
        present = found.status.conditions if found.status is not None else None
        old = meta.condition(present, "Ready")
        if old is not None and (old.status, old.reason, old.message) == (truth, reason, message):
            return
        new = meta_v1.Condition(type="Ready", status=truth, reason=reason, message=message)
        conditions = meta.with_condition(list(present or ()), new, now=times.format(self.clock.now()))
        body = {"status": {"conditions": [to_builtins(c) for c in conditions]}}
        await self.client.resource(networking_v1.ServiceCIDR).patch(
            found.metadata.name or "", body, subresource="status"
        )
