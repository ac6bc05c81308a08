"""Makes the claims of Pods' ephemeral volumes."""

from __future__ import annotations

from sampan.api.errors import AlreadyExists
from sampan.api.meta import is_controlled_by, key, owner_reference
from sampan.api.types import core_v1, meta_v1
from sampan.controllers.contract import Context, KeyedController
from sampan.controllers.namespaces import is_terminating


def claim_for(pod: core_v1.Pod, volume: core_v1.Volume) -> core_v1.PersistentVolumeClaim:
    assert volume.ephemeral is not None
    template = volume.ephemeral.volumeClaimTemplate
    assert template is not None
    said = template.metadata
    return core_v1.PersistentVolumeClaim(
        metadata=meta_v1.ObjectMeta(
            name=f"{pod.metadata.name}-{volume.name}",
            namespace=pod.metadata.namespace,
            labels=said.labels if said is not None else None,
            annotations=said.annotations if said is not None else None,
            ownerReferences=[owner_reference(pod, api_version="v1", kind="Pod")],
        ),
        spec=template.spec,
    )


class EphemeralClaims(KeyedController):
    """Keys are Pods."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.pods = context.informer(core_v1.Pod)
        self.claims = context.informer(core_v1.PersistentVolumeClaim)
        self.recorder = context.recorder
        self.pods.add_handler(on_add=self._pod)
        self.claims.add_handler(on_delete=self._claim_gone)

    def _pod(self, pod: core_v1.Pod) -> None:
        if any(v.ephemeral is not None for v in pod.spec.volumes or ()):
            self.queue.add(key(pod))

    def _claim_gone(self, claim: core_v1.PersistentVolumeClaim) -> None:
        for ref in claim.metadata.ownerReferences or ():
            if ref.kind == "Pod" and ref.controller:
                self.queue.add(f"{claim.metadata.namespace}/{ref.name}")

    async def reconcile(self, key: str) -> None:
        pod = self.pods.store.by_key(key)
        if pod is None or pod.metadata.deletionTimestamp:
            return
        for volume in pod.spec.volumes or ():
            if volume.ephemeral is not None and volume.ephemeral.volumeClaimTemplate is not None:
                await self._make(pod, volume)

    async def _make(self, pod: core_v1.Pod, volume: core_v1.Volume) -> None:
        wanted = claim_for(pod, volume)
        name, namespace = wanted.metadata.name or "", wanted.metadata.namespace or ""
        found = self.claims.store.get(name, namespace=namespace)
        if found is not None:
            if not is_controlled_by(found, pod):
                raise RuntimeError(f"PVC {namespace}/{name} was not created for pod {key(pod)} (pod is not owner)")
            return
        try:
            await self.client.resource(core_v1.PersistentVolumeClaim).create(wanted)
        except AlreadyExists:
            pass
        except Exception as error:
            if is_terminating(error):
                return
            said = f"ephemeral volume {volume.name}: create PVC {name}: {error}"
            self.recorder.event(pod, "Warning", "FailedCreate", said)
            raise
