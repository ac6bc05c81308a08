"""Binds claims and volumes to each other, provisions, and reclaims.

Keys are `claim/NAMESPACE/NAME` and `volume/NAME`; one worker, because two claims that are looked at together could
both take the same volume.
"""

from __future__ import annotations

from sampan.client.codec import key_of
from sampan.controllers.contract import Context, KeyedController
from sampan.controllers.volume_binder.claims import Claims
from sampan.controllers.volume_binder.match import Claim, Volume
from sampan.controllers.volume_binder.objects import Objects
from sampan.controllers.volume_binder.reclaim import Volumes


class VolumeBinder(KeyedController):
    workers = 1

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.objects = Objects(context)
        self.claims = Claims(self.objects)
        self.volumes = Volumes(self.objects, self.wake_claim)
        self.objects.claims.add_handler(
            on_add=self._claim, on_update=lambda _, new: self._claim(new), on_delete=self._claim
        )
        self.objects.volumes.add_handler(
            on_add=self._volume, on_update=lambda _, new: self._volume(new), on_delete=self._volume
        )
        self.objects.classes.add_key_handler(self._class)

    def wake_claim(self, key: str) -> None:
        self.queue.add(f"claim/{key}")

    def _claim(self, claim: Claim) -> None:
        self.wake_claim(key_of(claim))
        if claim.spec.volumeName:
            self.queue.add(f"volume/{claim.spec.volumeName}")

    def _volume(self, volume: Volume) -> None:
        self.queue.add(f"volume/{volume.metadata.name}")
        ref = volume.spec.claimRef
        if ref is not None:
            self.wake_claim(f"{ref.namespace}/{ref.name}")
        elif volume.status.phase == "Available":
            self._wake_pending()

    def _class(self, _: str) -> None:
        self._wake_pending()

    def _wake_pending(self) -> None:
        for claim in self.objects.claims.store:
            if not claim.spec.volumeName:
                self.wake_claim(key_of(claim))

    async def reconcile(self, key: str) -> float | None:
        kind, _, name = key.partition("/")
        if kind == "volume":
            await self.volumes.reconcile(name)
            return None
        return await self.claims.reconcile(name)
