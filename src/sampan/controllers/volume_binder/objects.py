"""What the binder reads and writes. It reads its own writes: the next claim must see what this one took."""

from __future__ import annotations

from typing import TypeVar

from msgspec.structs import replace

from sampan.api import times
from sampan.api.types import core_v1, storage_v1
from sampan.client.codec import key_of, resource_version_of
from sampan.client.store import Store
from sampan.controllers.contract import Context
from sampan.controllers.indexes import PODS_BY_CLAIM, claims_of
from sampan.controllers.volume_binder.match import Claim, Volume

T = TypeVar("T", core_v1.PersistentVolumeClaim, core_v1.PersistentVolume)


class Objects:
    def __init__(self, context: Context) -> None:
        self.client = context.client
        self.clock = context.clock
        self.config = context.config
        self.recorder = context.recorder
        self.claims = context.informer(core_v1.PersistentVolumeClaim)
        self.volumes = context.informer(core_v1.PersistentVolume)
        self.classes = context.informer(storage_v1.StorageClass)
        self.nodes = context.informer(core_v1.Node)
        self.pods = context.informer(core_v1.Pod, indexes={PODS_BY_CLAIM: claims_of})
        self._newer_claims: dict[str, Claim] = {}
        self._newer_volumes: dict[str, Volume] = {}
        self.claims.add_handler(on_delete=lambda claim: self._newer_claims.pop(key_of(claim), None))
        self.volumes.add_handler(on_delete=lambda volume: self.forget_volume(key_of(volume)))

    def claim(self, key: str) -> Claim | None:
        return _newest(self.claims.store, self._newer_claims, key)

    def volume(self, name: str) -> Volume | None:
        return _newest(self.volumes.store, self._newer_volumes, name)

    def all_volumes(self) -> list[Volume]:
        names = [*self.volumes.store.keys(), *(n for n in self._newer_volumes if n not in self.volumes.store)]
        return [volume for name in names if (volume := self.volume(name)) is not None]

    def now(self) -> str:
        return times.format(self.clock.now())

    async def write_claim(self, claim: Claim | None, old: Claim, *, status: bool = False) -> Claim:
        """None: nothing to write. The answer is the newest state."""
        if claim is None:
            return old
        resource = self.client.resource(core_v1.PersistentVolumeClaim)
        new = await (resource.update_status(claim) if status else resource.update(claim))
        self._newer_claims[key_of(new)] = new
        return new

    async def write_volume(self, volume: Volume | None, old: Volume, *, status: bool = False) -> Volume:
        if volume is None:
            return old
        resource = self.client.resource(core_v1.PersistentVolume)
        new = await (resource.update_status(volume) if status else resource.update(volume))
        self._newer_volumes[key_of(new)] = new
        return new

    async def create_volume(self, volume: Volume) -> Volume:
        new = await self.client.resource(core_v1.PersistentVolume).create(volume)
        self._newer_volumes[key_of(new)] = new
        return new

    def forget_volume(self, name: str) -> None:
        self._newer_volumes.pop(name, None)

    def event(self, obj: Claim | Volume, kind: str, reason: str, message: str) -> None:
        # Informers' objects say their kind; those that were just written may not.
        known = "PersistentVolumeClaim" if isinstance(obj, core_v1.PersistentVolumeClaim) else "PersistentVolume"
        self.recorder.event(replace(obj, kind=known, apiVersion="v1"), kind, reason, message)


def _newest(store: Store[T], newer: dict[str, T], key: str) -> T | None:
    seen, written = store.by_key(key), newer.get(key)
    if written is None:
        return seen
    if seen is None:
        return written  # its informer is behind; when it goes, the handler above says so
    if int(resource_version_of(seen) or 0) >= int(resource_version_of(written) or 0):
        del newer[key]
        return seen
    return written
