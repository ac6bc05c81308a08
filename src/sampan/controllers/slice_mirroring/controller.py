"""Mirrors Endpoints of Services that select nothing."""

from __future__ import annotations

from sampan.api.types import core_v1
from sampan.api.types.discovery_v1 import EndpointSlice
from sampan.controllers.contract import Context, KeyedController
from sampan.controllers.namespaces import is_terminating
from sampan.controllers.services.carry_out import carry_out
from sampan.controllers.services.indexes import BY_SERVICE, service_keys
from sampan.controllers.services.slices import MANAGED_BY, Plan, plan
from sampan.controllers.slice_mirroring.decide import MANAGER, desired, is_mirrored, shape_of
from sampan.controllers.written import LOOK_AGAIN, Written


class SliceMirroring(KeyedController):
    """Keys are Endpoints, which are named as their Service."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.services = context.informer(core_v1.Service)
        self.endpoints = context.informer(core_v1.Endpoints)
        self.slices = context.informer(EndpointSlice, indexes={BY_SERVICE: service_keys})
        self.written = Written(self.clock)
        self.services.add_key_handler(self.queue.add)
        self.endpoints.add_key_handler(self.queue.add)
        self.slices.add_handler(on_update=lambda _, new: self._slice(new), on_delete=self._slice)

    def _slice(self, one: EndpointSlice) -> None:
        if (one.metadata.labels or {}).get(MANAGED_BY) == MANAGER:
            for key in service_keys(one):
                self.queue.add(key)

    async def reconcile(self, key: str) -> float | None:
        existing = [
            one
            for one in self.slices.store.by_index(BY_SERVICE, key)
            if (one.metadata.labels or {}).get(MANAGED_BY) == MANAGER
        ]
        endpoints = self.endpoints.store.by_key(key)
        if self.written.is_behind(key, self.slices):
            return LOOK_AGAIN
        if endpoints is None or not is_mirrored(endpoints, self.services.store.by_key(key)):
            decided = Plan(delete=existing)
        else:
            wanted = desired(endpoints)
            decided = plan(shape_of(endpoints), wanted, existing, [], largest=1000)
        try:
            await carry_out(self.client, key, decided, self.written)
        except Exception as error:
            if not is_terminating(error):
                raise
        return None
