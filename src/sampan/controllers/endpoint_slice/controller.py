"""Keeps the EndpointSlices of every Service that selects Pods."""

from __future__ import annotations

from sampan.api.types import core_v1
from sampan.api.types.discovery_v1 import EndpointSlice
from sampan.controllers.contract import Context
from sampan.controllers.endpoint_slice.decide import MANAGER, desired, shape_of
from sampan.controllers.namespaces import is_terminating
from sampan.controllers.services.backends import families
from sampan.controllers.services.by_service import ByService
from sampan.controllers.services.carry_out import carry_out
from sampan.controllers.services.indexes import BY_SERVICE, service_keys
from sampan.controllers.services.slices import MANAGED_BY, plan
from sampan.controllers.written import LOOK_AGAIN, Written

ZONE = "topology.kubernetes.io/zone"


class EndpointSlices(ByService):
    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.nodes = context.informer(core_v1.Node)
        self.slices = context.informer(EndpointSlice, indexes={BY_SERVICE: service_keys})
        self.written = Written(self.clock)
        self.slices.add_handler(on_update=lambda old, new: self._slice(old, new), on_delete=self._slice)

    def _slice(self, *versions: EndpointSlice) -> None:
        """Somebody may have changed or deleted one of ours."""
        for one in versions:
            if (one.metadata.labels or {}).get(MANAGED_BY) == MANAGER:
                for key in service_keys(one):
                    self.wake(key)

    async def reconcile(self, key: str) -> float | None:
        service = self.services.store.by_key(key)
        if service is None:
            self.written.forget(key)
            self.quiet.pop(key, None)
            return None  # its slices are owned by it: the garbage collector has them
        if not service.spec.selector or service.spec.type == "ExternalName" or service.metadata.deletionTimestamp:
            return None
        if self.written.is_behind(key, self.slices):
            return LOOK_AGAIN
        existing = [
            one
            for one in self.slices.store.by_index(BY_SERVICE, key)
            if (one.metadata.labels or {}).get(MANAGED_BY) == MANAGER and not one.metadata.deletionTimestamp
        ]
        wanted = desired(service, self.selected(service), self._zone)
        decided = plan(shape_of(service), wanted, existing, families(service))
        try:
            await carry_out(self.client, key, decided, self.written)
        except Exception as error:
            if not is_terminating(error):
                raise
        return None

    def _zone(self, node: str) -> str | None:
        found = self.nodes.store.by_key(node)
        return (found.metadata.labels or {}).get(ZONE) if found is not None else None
