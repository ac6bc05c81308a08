"""PersistentVolumeClaimResize: a claim grows only where its class allows it."""

from __future__ import annotations

from sampan.api import quantity
from sampan.api.errors import forbidden
from sampan.api.types import core_v1, storage_v1
from sampan.apiserver.admission.plugin import Objects, Plugin, concerns
from sampan.apiserver.contracts import AdmissionAttributes
from sampan.apiserver.core import Core

_OLD_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
_REFUSED = (
    "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize"
)


class PersistentVolumeClaimResize(Plugin):
    def __init__(self, core: Core) -> None:
        super().__init__(core)
        self._classes = Objects(core, "storage.k8s.io", "v1", "storageclasses", storage_v1.StorageClass)

    async def validate(self, attributes: AdmissionAttributes) -> None:
        if not concerns(attributes, "persistentvolumeclaims", operation="UPDATE"):
            return
        wanted, before = attributes.object, attributes.old
        if quantity.compare(_size(wanted), _size(before)) > 0 and not self._may_grow(wanted, before):
            raise forbidden("persistentvolumeclaims", attributes.name, _REFUSED)

    def _may_grow(self, wanted: core_v1.PersistentVolumeClaim, before: core_v1.PersistentVolumeClaim) -> bool:
        name = _class_of(wanted)
        found = self._classes.get("", name) if name and name == _class_of(before) else None
        return found is not None and bool(found.allowVolumeExpansion)


def _size(claim: core_v1.PersistentVolumeClaim) -> str | int | float:
    return (claim.spec.resources.requests or {}).get("storage", "0")


def _class_of(claim: core_v1.PersistentVolumeClaim) -> str:
    annotated = (claim.metadata.annotations or {}).get(_OLD_ANNOTATION)
    return annotated if annotated is not None else claim.spec.storageClassName or ""
