"""Keeps the Endpoints of every Service that selects Pods."""

from __future__ import annotations

from msgspec.structs import replace

from sampan.api.errors import AlreadyExists, NotFound
from sampan.api.meta import split_key
from sampan.api.types import core_v1, meta_v1
from sampan.controllers.contract import Context
from sampan.controllers.endpoints.decide import MANAGED_BY, OVER_CAPACITY, labels_for, subsets, truncated
from sampan.controllers.namespaces import is_terminating
from sampan.controllers.services.by_service import ByService


class Endpoints(ByService):
    # Few read Endpoints any more: in a storm of changes they may be a little behind the slices.
    shortest_pause = 0.5

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.endpoints = context.informer(core_v1.Endpoints)
        self.endpoints.add_key_handler(self._endpoints)
        self.recorder = context.recorder

    def _endpoints(self, key: str) -> None:
        """Changed by somebody else, deleted, or left over from a Service that went while we did not look."""
        found = self.endpoints.store.by_key(key)
        ours = found is not None and MANAGED_BY in (found.metadata.labels or {})
        if ours or key in self.services.store:
            self.wake(key)

    async def reconcile(self, key: str) -> None:
        service = self.services.store.by_key(key)
        found = self.endpoints.store.by_key(key)
        resource = self.client.resource(core_v1.Endpoints)
        if service is None:
            self.quiet.pop(key, None)
            if found is not None and MANAGED_BY in (found.metadata.labels or {}):
                namespace, name = split_key(key)
                try:
                    await resource.delete(name, namespace=namespace)
                except NotFound:
                    pass
            return
        if not service.spec.selector or service.spec.type == "ExternalName":
            return
        wanted, cut = truncated(subsets(service, self.selected(service)))
        labels = labels_for(service)
        try:
            if found is None:
                meta = meta_v1.ObjectMeta(
                    name=service.metadata.name,
                    namespace=service.metadata.namespace,
                    labels=labels,
                    annotations={OVER_CAPACITY: "truncated"} if cut else None,
                )
                await resource.create(core_v1.Endpoints(metadata=meta, subsets=wanted or None))
            elif (found.subsets or []) != wanted or found.metadata.labels != labels or _is_cut(found) != cut:
                await resource.update(_changed(found, wanted, labels, cut=cut))
        except AlreadyExists:
            return  # the informer will show it
        except Exception as error:
            if not is_terminating(error):
                raise


def _is_cut(found: core_v1.Endpoints) -> bool:
    return OVER_CAPACITY in (found.metadata.annotations or {})


def _changed(
    found: core_v1.Endpoints, wanted: list[core_v1.EndpointSubset], labels: dict[str, str], *, cut: bool
) -> core_v1.Endpoints:
    annotations = {k: v for k, v in (found.metadata.annotations or {}).items() if k != OVER_CAPACITY}
    if cut:
        annotations[OVER_CAPACITY] = "truncated"
    meta = replace(found.metadata, labels=labels, annotations=annotations or None)
    return replace(found, metadata=meta, subsets=wanted or None)
