"""Holds claims by a finalizer while a scheduled Pod uses them."""

from __future__ import annotations

from msgspec.structs import replace

from sampan.api import meta
from sampan.api.errors import NotFound
from sampan.api.types import core_v1
from sampan.controllers.contract import Context, KeyedController
from sampan.controllers.indexes import PODS_BY_CLAIM, claims_of

FINALIZER = "kubernetes.io/pvc-protection"


class ClaimProtection(KeyedController):
    """Keys are claims."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.claims = context.informer(core_v1.PersistentVolumeClaim)
        self.pods = context.informer(core_v1.Pod, indexes={PODS_BY_CLAIM: claims_of})
        self.claims.add_handler(on_add=self._claim, on_update=lambda _, new: self._claim(new))
        self.pods.add_handler(on_delete=self._pod_gone)

    def _claim(self, claim: core_v1.PersistentVolumeClaim) -> None:
        if claim.metadata.deletionTimestamp or not meta.has_finalizer(claim, FINALIZER):
            self.queue.add(meta.key(claim))

    def _pod_gone(self, pod: core_v1.Pod) -> None:
        for key in claims_of(pod):
            self.queue.add(key)

    async def reconcile(self, key: str) -> None:
        claim = self.claims.store.by_key(key)
        if claim is None:
            return
        protected = meta.has_finalizer(claim, FINALIZER)
        if not claim.metadata.deletionTimestamp:
            if not protected:
                await self._write(claim, meta.with_finalizer(claim, FINALIZER))
        elif protected and not await self._is_used(key):
            await self._write(claim, meta.without_finalizer(claim, FINALIZER))

    async def _is_used(self, key: str) -> bool:
        if any(pod.spec.nodeName for pod in self.pods.store.by_index(PODS_BY_CLAIM, key)):
            return True
        # The cache says no; a Pod that was just scheduled would lose its data.
        namespace, _ = meta.split_key(key)
        pods = (await self.client.resource(core_v1.Pod).list(namespace=namespace)).items
        return any(pod.spec.nodeName and key in claims_of(pod) for pod in pods)

    async def _write(self, claim: core_v1.PersistentVolumeClaim, finalizers: list[str] | None) -> None:
        try:
            await self.client.resource(core_v1.PersistentVolumeClaim).update(
                replace(claim, metadata=replace(claim.metadata, finalizers=finalizers))
            )
        except NotFound:
            pass
