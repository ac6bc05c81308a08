"""Keeps the zone in step with Services and EndpointSlices. Events arrive on the event loop and are cheap to apply."""

from __future__ import annotations

from sampan.api.types.core_v1 import Service
from sampan.api.types.discovery_v1 import EndpointSlice
from sampan.client.informer import Informer
from sampan.proxy.dns.zone import Zone
from sampan.proxy.services import BY_SERVICE, service_of


class ZoneFeed:
    def __init__(self, zone: Zone, services: Informer[Service], slices: Informer[EndpointSlice]) -> None:
        self._zone = zone
        self._services = services
        self._slices = slices
        services.add_key_handler(self._refresh)
        slices.add_handler(
            on_add=self._slice_changed,
            on_update=lambda old, new: self._slice_changed(old, new),
            on_delete=self._slice_changed,
        )

    async def complete(self) -> None:
        """From here on, a name that is not in the zone does not exist."""
        await self._services.wait_for_sync()
        await self._slices.wait_for_sync()
        self._zone.complete = True

    def _refresh(self, key: str) -> None:
        self._zone.set_service(key, self._services.store.by_key(key), self._slices.store.by_index(BY_SERVICE, key))

    def _slice_changed(self, *versions: EndpointSlice) -> None:
        for key in {key for version in versions for key in service_of(version)}:
            service = self._services.store.by_key(key)
            if service is not None and service.spec.clusterIP == "None":  # others have no names of their endpoints
                self._refresh(key)
