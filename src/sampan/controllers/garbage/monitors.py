"""What the collector sees: the metadata of everything that can be deleted.

Kinds that another controller of this process follows are read through its informer; of the others only what ownership
needs is kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from msgspec import Struct

from sampan.api.scheme import ResourceInfo
from sampan.api.types.meta_v1 import ObjectMeta, OwnerReference
from sampan.client.codec import PartialObjectMetadata
from sampan.client.informer import Informer
from sampan.client.shared import SharedInformerFactory

# Nobody owns through these, and there are many of them.
IGNORED = frozenset((("", "events"), ("events.k8s.io", "events")))

Id = tuple[str, str]  # `resource.group`, `namespace/name`


def slim(thing: PartialObjectMetadata) -> PartialObjectMetadata:
    meta = thing.metadata
    return PartialObjectMetadata(
        metadata=ObjectMeta(
            name=meta.name,
            namespace=meta.namespace,
            uid=meta.uid,
            resourceVersion=meta.resourceVersion,
            ownerReferences=meta.ownerReferences,
            finalizers=meta.finalizers,
            deletionTimestamp=meta.deletionTimestamp,
        )
    )


class Monitor(Struct):
    info: ResourceInfo
    informer: Informer[Any]
    detach: Callable[[], None]
    own: bool  # made here, to be stopped here


Listener = Callable[[ResourceInfo, ObjectMeta | None, ObjectMeta | None], None]


class Monitors:
    """`changed` hears of every object: before (None: new) and after (None: gone)."""

    def __init__(self, informers: SharedInformerFactory, changed: Listener) -> None:
        self._informers = informers
        self._changed = changed
        self._monitors: dict[str, Monitor] = {}
        self._kinds: dict[tuple[str, str], ResourceInfo] = {}

    def __iter__(self) -> Iterator[Monitor]:
        return iter(self._monitors.values())

    async def follow(self, resources: Iterable[ResourceInfo]) -> None:
        """Exactly these from now on. Returns when all of them are known, but does not wait for broken ones for ever."""
        wanted = {info.qualified: info for info in resources if (info.group, info.resource) not in IGNORED}
        for name in self._monitors.keys() - wanted.keys():
            await self._drop(name)
        for name, info in wanted.items():
            known = self._monitors.get(name)
            if known is not None and known.info.version != info.version:
                await self._drop(name)
                known = None
            if known is None:
                self._monitors[name] = self._monitor(info)
        self._kinds = {(info.group, info.kind): info for info in wanted.values()}
        syncs = [asyncio.ensure_future(m.informer.wait_for_sync()) for m in self]
        if syncs:
            _, late = await asyncio.wait(syncs, timeout=30.0)
            for task in late:
                task.cancel()

    def info_of(self, reference: OwnerReference) -> ResourceInfo | None:
        """The resource of an owner, whatever version of it the reference names."""
        return self._kinds.get((reference.apiVersion.rpartition("/")[0], reference.kind))

    def find(self, identity: Id) -> tuple[ResourceInfo, ObjectMeta] | None:
        monitor = self._monitors.get(identity[0])
        found = monitor.informer.store.by_key(identity[1]) if monitor is not None else None
        return (monitor.info, found.metadata) if monitor is not None and found is not None else None

    def _monitor(self, info: ResourceInfo) -> Monitor:
        informer = self._informers.existing(info.group, info.version, info.resource)
        own = informer is None
        if informer is None:
            informer = Informer(
                self._informers.client.metadata(
                    info.group, info.version, info.resource, kind=info.kind, namespaced=info.namespaced
                ),
                transform=slim,
            )
        detach = informer.add_handler(
            on_add=lambda new: self._changed(info, None, new.metadata),
            on_update=lambda old, new: self._changed(info, old.metadata, new.metadata),
            on_delete=lambda old: self._changed(info, old.metadata, None),
        )
        informer.start()
        return Monitor(info, informer, detach, own)

    async def _drop(self, name: str) -> None:
        monitor = self._monitors.pop(name)
        monitor.detach()
        if monitor.own:
            await monitor.informer.stop()

    async def stop(self) -> None:
        for name in [*self._monitors]:
            await self._drop(name)


def identity(info: ResourceInfo, meta: ObjectMeta) -> Id:
    name = meta.name or ""
    return info.qualified, f"{meta.namespace}/{name}" if meta.namespace else name
