"""One claim: bind it, provision for it, or say what it waits for."""

from __future__ import annotations

from msgspec.structs import replace

from sampan.api.errors import AlreadyExists, NotFound
from sampan.api.types import core_v1, storage_v1
from sampan.client.codec import key_of
from sampan.controllers.indexes import PODS_BY_CLAIM
from sampan.controllers.volume_binder import bind, expand, local_path, match
from sampan.controllers.volume_binder.match import Claim, Volume
from sampan.controllers.volume_binder.objects import Objects
from sampan.controllers.volume_binder.words import (
    BETA_STORAGE_PROVISIONER,
    BIND_COMPLETED,
    SELECTED_NODE,
    STORAGE_PROVISIONER,
)

AGAIN = 15.0  # seconds until a claim that waits says so again
NO_CLASS = "no persistent volumes available for this claim and no storage class is set"


class Claims:
    def __init__(self, objects: Objects) -> None:
        self.objects = objects

    async def reconcile(self, key: str) -> float | None:
        claim = self.objects.claim(key)
        if claim is None:
            return None
        try:
            if BIND_COMPLETED in (claim.metadata.annotations or {}):
                await self._check_bound(claim)
                return None
            if claim.spec.volumeName:
                return await self._take_named(claim, claim.spec.volumeName)
            return await self._find(claim)
        except NotFound:
            return None

    # -- not bound yet -----------------------------------------------------------------------------------------------

    async def _find(self, claim: Claim) -> float | None:
        claim = await self._give_default_class(claim)
        name = match.class_of_claim(claim)
        found = self.objects.classes.store.by_key(name) if name else None
        waiting = match.waits(claim, found)
        node = self.objects.nodes.store.by_key((claim.metadata.annotations or {}).get(SELECTED_NODE, ""))
        volume = match.best(claim, self.objects.all_volumes(), waiting=waiting, node=node)
        if volume is not None:
            await self._bind(volume, claim)
            return None
        claim = await self._pending(claim)
        if waiting:
            self._say_what_it_waits_for(claim)
        elif name:
            return await self._provision(claim, name, found, node)
        else:
            self.objects.event(claim, "Normal", "FailedBinding", NO_CLASS)
        return AGAIN

    async def _give_default_class(self, claim: Claim) -> Claim:
        """A claim that was made before there was a default class gets it now."""
        if claim.spec.storageClassName is not None or match.class_of_claim(claim):
            return claim
        default = match.default_class(self.objects.classes.store)
        if default is None:
            return claim
        spec = replace(claim.spec, storageClassName=default.metadata.name)
        return await self.objects.write_claim(replace(claim, spec=spec), claim)

    def _say_what_it_waits_for(self, claim: Claim) -> None:
        pods = self.objects.pods.store.by_index(PODS_BY_CLAIM, key_of(claim))
        unscheduled = sorted(p.metadata.name or "" for p in pods if not p.spec.nodeName)
        if unscheduled:
            said = f"waiting for pod {', '.join(unscheduled)} to be scheduled"
            self.objects.event(claim, "Normal", "WaitForPodScheduled", said)
        else:
            said = "waiting for first consumer to be created before binding"
            self.objects.event(claim, "Normal", "WaitForFirstConsumer", said)

    async def _take_named(self, claim: Claim, name: str) -> float | None:
        volume = self.objects.volume(name)
        if volume is None:
            await self._pending(claim)
            return AGAIN
        if volume.spec.claimRef is not None and not match.is_bound_to(volume, claim):
            said = f'volume "{name}" already bound to a different claim.'
            self.objects.event(claim, "Warning", "FailedBinding", said)
            await self._pending(claim)
            return AGAIN
        why = match.objection(volume, claim) if volume.spec.claimRef is None else ""
        if why:
            said = f'Cannot bind to requested volume "{name}": {why}'
            self.objects.event(claim, "Warning", "VolumeMismatch", said)
            await self._pending(claim)
            return AGAIN
        await self._bind(volume, claim)
        return None

    async def _pending(self, claim: Claim) -> Claim:
        return await self.objects.write_claim(bind.claim_phase(claim, "Pending"), claim, status=True)

    async def _bind(self, volume: Volume, claim: Claim) -> None:
        """Volume first: if this is interrupted, whoever comes next sees that the volume is taken, and by whom."""
        volume = await self.objects.write_volume(bind.volume_to_claim(volume, claim), volume)
        bound = bind.volume_phase(volume, "Bound", self.objects.now())
        volume = await self.objects.write_volume(bound, volume, status=True)
        claim = await self.objects.write_claim(bind.claim_to_volume(claim, volume), claim)
        await self.objects.write_claim(bind.claim_phase(claim, "Bound", volume), claim, status=True)

    # -- provisioning ------------------------------------------------------------------------------------------------

    async def _provision(
        self, claim: Claim, name: str, found: storage_v1.StorageClass | None, node: core_v1.Node | None
    ) -> float | None:
        if found is None:
            self._failed(claim, f'storageclass.storage.k8s.io "{name}" not found')
            return AGAIN
        if found.provisioner.startswith("kubernetes.io/"):
            self._failed(claim, f"no volume plugin matched name: {found.provisioner}")
            return AGAIN
        if found.provisioner != local_path.PROVISIONER:
            return await self._leave_to(found.provisioner, claim)
        nodes = self.objects.nodes.store
        if node is None and len(nodes) == 1:
            node = next(iter(nodes))
        try:
            volume = local_path.volume_for(claim, found, node, self.objects.config.volumes_dir)
        except local_path.CannotProvision as error:
            self._failed(claim, f'failed to provision volume with StorageClass "{name}": {error}')
            return AGAIN
        try:
            volume = await self.objects.create_volume(volume)
        except AlreadyExists:
            return 0.1  # made before a restart; the informer will show it
        said = f"Successfully provisioned volume {volume.metadata.name} using {local_path.PROVISIONER}"
        self.objects.event(claim, "Normal", "ProvisioningSucceeded", said)
        await self._bind(volume, claim)
        return None

    async def _leave_to(self, provisioner: str, claim: Claim) -> float:
        """Somebody else's provisioner looks for claims that carry its name."""
        annotations = {**(claim.metadata.annotations or {})}
        annotations |= {BETA_STORAGE_PROVISIONER: provisioner, STORAGE_PROVISIONER: provisioner}
        if annotations != claim.metadata.annotations:
            meta = replace(claim.metadata, annotations=annotations)
            claim = await self.objects.write_claim(replace(claim, metadata=meta), claim)
        said = (
            f"Waiting for a volume to be created either by the external provisioner '{provisioner}' or manually by the "
            "system administrator. If volume creation is delayed, please verify that the provisioner is running and "
            "correctly registered."
        )
        self.objects.event(claim, "Normal", "ExternalProvisioning", said)
        return AGAIN

    def _failed(self, claim: Claim, why: str) -> None:
        self.objects.event(claim, "Warning", "ProvisioningFailed", why)

    # -- bound before ------------------------------------------------------------------------------------------------

    async def _check_bound(self, claim: Claim) -> None:
        name = claim.spec.volumeName
        if not name:
            await self._lost(
                claim, "ClaimLost", "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!"
            )
            return
        volume = self.objects.volume(name)
        if volume is None:
            said = "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
            await self._lost(claim, "ClaimLost", said)
        elif volume.spec.claimRef is None or volume.spec.claimRef.uid == claim.metadata.uid:
            if not claim.metadata.deletionTimestamp:
                await self._bind(volume, claim)
                await self._expand(volume, claim)
        else:
            said = "Two claims are bound to the same volume, this one is bound incorrectly"
            await self._lost(claim, "ClaimMisbound", said)

    async def _expand(self, volume: Volume, claim: Claim) -> None:
        size = expand.asked_size(claim)
        if size is None:
            return
        found = self.objects.classes.store.by_key(match.class_of_claim(claim) or "")
        if not expand.may_grow(volume, found):
            said = "waiting for an external controller to expand this PVC"
            self.objects.event(claim, "Normal", "ExternalExpanding", said)
            return
        volume = self.objects.volume(volume.metadata.name or "") or volume
        self.objects.event(claim, "Normal", "Resizing", f"External resizer is resizing volume {volume.metadata.name}")
        await self.objects.write_volume(expand.grown_volume(volume, size), volume)
        claim = self.objects.claim(key_of(claim)) or claim
        await self.objects.write_claim(expand.grown_claim(claim, size), claim, status=True)
        self.objects.event(claim, "Normal", "VolumeResizeSuccessful", "Resize volume succeeded")

    async def _lost(self, claim: Claim, reason: str, message: str) -> None:
        if claim.status.phase != "Lost":
            self.objects.event(claim, "Warning", reason, message)
            await self.objects.write_claim(bind.claim_phase(claim, "Lost"), claim, status=True)
