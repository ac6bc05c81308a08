"""Holds volumes by a finalizer while they are bound."""

from __future__ import annotations

from msgspec.structs import replace

from sampan.api import meta
from sampan.api.errors import NotFound
from sampan.api.types import core_v1
from sampan.controllers.contract import Context, KeyedController

FINALIZER = "kubernetes.io/pv-protection"


def finalizers(volume: core_v1.PersistentVolume) -> tuple[bool, list[str] | None]:
    """Whether they are to be written, and which."""
    protected = meta.has_finalizer(volume, FINALIZER)
    if not volume.metadata.deletionTimestamp:
        return not protected, meta.with_finalizer(volume, FINALIZER)
    return protected and volume.status.phase != "Bound", meta.without_finalizer(volume, FINALIZER)


class VolumeProtection(KeyedController):
    """Keys are volumes."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.volumes = context.informer(core_v1.PersistentVolume)
        self.volumes.add_key_handler(self.queue.add)

    async def reconcile(self, key: str) -> None:
        volume = self.volumes.store.by_key(key)
        if volume is None:
            return
        write, wanted = finalizers(volume)
        if not write:
            return
        try:
            await self.client.resource(core_v1.PersistentVolume).update(
                replace(volume, metadata=replace(volume.metadata, finalizers=wanted))
            )
        except NotFound:
            pass
