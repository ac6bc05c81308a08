"""Keeps an IPAddress for every cluster address that a Service holds, and none for those that no Service holds any more.

Who gets which address the allocator decides (`registry/core/service_alloc.py`); these objects say it to everybody else:
`kubectl get ipaddresses`, and the controller that holds a ServiceCIDR as long as its addresses are in use. IPAddresses
that somebody else made are left alone.
"""

from __future__ import annotations

import asyncio
import logging
from ipaddress import ip_address

from sampan.api.errors import AlreadyExists, ApiError, NotFound
from sampan.api.types.core_v1 import Service
from sampan.api.types.meta_v1 import ObjectMeta
from sampan.api.types.networking_v1 import IPAddress, IPAddressSpec, ParentReference
from sampan.client.api import Client
from sampan.client.codec import key_of
from sampan.client.informer import Informer

MANAGED_BY, MANAGER = "ipaddress.kubernetes.io/managed-by", "ipallocator.k8s.io"
FAMILY = "ipaddress.kubernetes.io/ip-family"
_RETRY_SECONDS = 5.0
_BY_ADDRESS = "by-address"
log = logging.getLogger(__name__)


def addresses_of(service: Service) -> list[str]:
    """The index: Services by the addresses they hold."""
    return [text for text in service.spec.clusterIPs or () if text not in ("", "None")]


def wanted(address: str, services: list[Service]) -> IPAddress | None:
    """What there should be of this address. Pure."""
    if not services:
        return None
    meta = min(services, key=key_of).metadata
    return IPAddress(
        metadata=ObjectMeta(
            name=address, labels={FAMILY: f"IPv{ip_address(address).version}", MANAGED_BY: MANAGER}
        ),
        spec=IPAddressSpec(
            parentRef=ParentReference(group="", resource="services", namespace=meta.namespace, name=meta.name or "")
        ),
    )


def is_ours(found: IPAddress) -> bool:
    return (found.metadata.labels or {}).get(MANAGED_BY) == MANAGER


def holder_of(found: IPAddress) -> tuple[str, str, str]:
    parent = found.spec.parentRef
    return (parent.resource, parent.namespace or "", parent.name) if parent is not None else ("", "", "")


class ClusterAddresses:
    """Events mark addresses; one loop sets those right, until cancelled."""

    def __init__(self, client: Client) -> None:
        self._objects = client.resource(IPAddress)
        self._services = Informer(client.resource(Service), indexes={_BY_ADDRESS: addresses_of})
        self._known = Informer(self._objects)
        self._marked: set[str] = set()
        self._wake = asyncio.Event()
        self._services.add_handler(
            on_add=self._service, on_update=lambda old, new: self._service(old, new), on_delete=self._service
        )
        self._known.add_key_handler(lambda name: self._mark([name]))

    async def run(self) -> None:
        informers = (self._services, self._known)
        try:
            for informer in informers:
                informer.start()
            await self._services.wait_for_sync()
            await self._known.wait_for_sync()
            while True:
                await self._wake.wait()
                self._wake.clear()
                await self._turn()
        finally:
            await self._services.stop()
            await self._known.stop()

    def _service(self, *versions: Service) -> None:
        for version in versions:
            self._mark(addresses_of(version))

    def _mark(self, addresses: list[str]) -> None:
        self._marked.update(addresses)
        self._wake.set()

    async def _turn(self) -> None:
        marked, self._marked = self._marked, set()
        for address in marked:
            try:
                await self._set_right(address)
            except ApiError as error:
                log.warning("IPAddress %s: %s; trying again", address, error)
                asyncio.get_running_loop().call_later(_RETRY_SECONDS, self._mark, [address])

    async def _set_right(self, address: str) -> None:
        found = self._known.store.by_key(address)
        should = wanted(address, self._services.store.by_index(_BY_ADDRESS, address))
        if found is not None and is_ours(found) and (should is None or holder_of(found) != holder_of(should)):
            try:
                await self._objects.delete(address, uid=found.metadata.uid or "")
            except NotFound:
                pass  # its end is on the way here, and marks the address again
            return
        if found is None and should is not None:
            try:
                await self._objects.create(should)
            except AlreadyExists:
                pass


async def keep_cluster_addresses(client: Client) -> None:
    """Until cancelled."""
    await ClusterAddresses(client).run()
