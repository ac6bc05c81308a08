"""One volume: whose it is, and what becomes of it when its claim is gone."""

from __future__ import annotations

from collections.abc import Callable

from sampan.api.errors import NotFound
from sampan.api.types import core_v1
from sampan.controllers.volume_binder import bind, local_path
from sampan.controllers.volume_binder.match import Claim, Volume
from sampan.controllers.volume_binder.objects import Objects
from sampan.controllers.volume_binder.words import PROVISIONED_BY


class Volumes:
    def __init__(self, objects: Objects, wake_claim: Callable[[str], None]) -> None:
        self.objects = objects
        self.wake_claim = wake_claim

    async def reconcile(self, name: str) -> None:
        volume = self.objects.volume(name)
        if volume is None or name not in self.objects.volumes.store:
            return
        try:
            await self._look_at(volume)
        except NotFound:
            self.objects.forget_volume(name)

    async def _look_at(self, volume: Volume) -> None:
        ref = volume.spec.claimRef
        if ref is None or not ref.uid:
            await self._phase(volume, "Available")
            return
        claim = await self._claim_of(ref)
        if claim is None:
            await self._released(volume)
        elif not claim.spec.volumeName:
            self.wake_claim(f"{ref.namespace}/{ref.name}")
        elif claim.spec.volumeName == volume.metadata.name:
            await self._phase(volume, "Bound")
        elif _is_dynamic(volume) and volume.spec.persistentVolumeReclaimPolicy == "Delete":
            await self._released(volume)  # made for a claim that found another volume meanwhile
        else:
            volume = await self.objects.write_volume(bind.unbound(volume), volume)
            await self._phase(volume, "Available")

    async def _claim_of(self, ref: core_v1.ObjectReference) -> Claim | None:
        """Nothing is reclaimed on the word of a cache."""
        claim = self.objects.claim(f"{ref.namespace}/{ref.name}")
        if claim is None or claim.metadata.uid != ref.uid:
            try:
                claim = await self.objects.client.resource(core_v1.PersistentVolumeClaim).get(
                    ref.name or "", namespace=ref.namespace or ""
                )
            except NotFound:
                return None
        return claim if claim.metadata.uid == ref.uid else None

    async def _released(self, volume: Volume) -> None:
        if volume.status.phase not in ("Released", "Failed"):
            volume = await self._phase(volume, "Released")
        policy = volume.spec.persistentVolumeReclaimPolicy
        if policy == "Delete":
            await self._delete(volume)
        elif policy == "Recycle":
            await self._fail(volume, "VolumeFailedRecycle", "volume plugins here do not support recycling")

    async def _delete(self, volume: Volume) -> None:
        name = volume.metadata.name or ""
        if not _is_dynamic(volume):
            await self._fail(
                volume, "VolumeFailedDelete", f'no deleter for volume "{name}": it was not provisioned here'
            )
            return
        if (volume.metadata.annotations or {}).get(PROVISIONED_BY) != local_path.PROVISIONER:
            return  # its own provisioner deletes it
        try:
            await local_path.remove_data(volume, self.objects.config.volumes_dir)
        except OSError as error:
            await self._fail(volume, "VolumeFailedDelete", str(error))
            raise
        await self.objects.client.resource(core_v1.PersistentVolume).delete(name, uid=volume.metadata.uid or "")
        self.objects.forget_volume(name)

    async def _phase(self, volume: Volume, phase: str, message: str = "") -> Volume:
        new = bind.volume_phase(volume, phase, self.objects.now(), message)
        return await self.objects.write_volume(new, volume, status=True)

    async def _fail(self, volume: Volume, reason: str, message: str) -> None:
        if volume.status.phase != "Failed":
            self.objects.event(volume, "Warning", reason, message)
        await self._phase(volume, "Failed", message)


def _is_dynamic(volume: Volume) -> bool:
    return PROVISIONED_BY in (volume.metadata.annotations or {})
