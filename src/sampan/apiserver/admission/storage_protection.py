"""StorageObjectInUseProtection and DefaultStorageClass: what is in use stays; claims get the default class."""

from __future__ import annotations

from sampan.api.types import core_v1, storage_v1
from sampan.apiserver.admission.plugin import Objects, Plugin, concerns
from sampan.apiserver.contracts import AdmissionAttributes
from sampan.apiserver.core import Core

CLAIM, VOLUME = "kubernetes.io/pvc-protection", "kubernetes.io/pv-protection"
IS_DEFAULT = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")


class StorageObjectInUseProtection(Plugin):
    async def mutate(self, attributes: AdmissionAttributes) -> None:
        if concerns(attributes, "persistentvolumeclaims"):
            finalizer = CLAIM
        elif concerns(attributes, "persistentvolumes"):
            finalizer = VOLUME
        else:
            return
        meta = attributes.object.metadata
        if finalizer not in (meta.finalizers or ()):
            meta.finalizers = [*(meta.finalizers or ()), finalizer]


class DefaultStorageClass(Plugin):
    def __init__(self, core: Core) -> None:
        super().__init__(core)
        self._classes = Objects(core, "storage.k8s.io", "v1", "storageclasses", storage_v1.StorageClass)

    async def mutate(self, attributes: AdmissionAttributes) -> None:
        if not concerns(attributes, "persistentvolumeclaims"):
            return
        claim: core_v1.PersistentVolumeClaim = attributes.object
        beta = "volume.beta.kubernetes.io/storage-class"
        if claim.spec.storageClassName is not None or beta in (claim.metadata.annotations or {}):
            return
        defaults = [c for c in self._classes.all() if _is_default(c)]
        if defaults:
            newest = max(defaults, key=lambda c: (c.metadata.creationTimestamp or "", c.metadata.name or ""))
            claim.spec.storageClassName = newest.metadata.name


def _is_default(storage_class: storage_v1.StorageClass) -> bool:
    annotations = storage_class.metadata.annotations or {}
    return any(annotations.get(key) == "true" for key in IS_DEFAULT)
