"""The objects about volumes that decisions need, followed at the API server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sampan.api.types import core_v1, storage_v1
from sampan.client.shared import SharedInformerFactory
from sampan.scheduler.plugins.volumes import Lookups


class VolumeObjects:
    def __init__(self, informers: SharedInformerFactory) -> None:
        self._claims = informers.informer(core_v1.PersistentVolumeClaim)
        self._volumes = informers.informer(core_v1.PersistentVolume)
        self._classes = informers.informer(storage_v1.StorageClass)
        self._csi_nodes = informers.informer(storage_v1.CSINode)
        self.lookups = Lookups(
            claim=lambda namespace, name: self._claims.store.get(name, namespace=namespace),
            volume=lambda name: self._volumes.store.get(name),
            storage_class=lambda name: self._classes.store.get(name),
            volumes=lambda: list(self._volumes.store),
            csi_node=lambda name: self._csi_nodes.store.get(name),
        )

    def is_bound(self, namespace: str, name: str) -> bool:
        claim = self._claims.store.get(name, namespace=namespace)
        return claim is not None and claim.status.phase == "Bound" and bool(claim.spec.volumeName)

    def on_change(self, told: Callable[[str], object]) -> None:
        """`told` gets the name of a volume that has a claim, or nothing."""

        def changed(obj: Any) -> None:
            taken = isinstance(obj, core_v1.PersistentVolume) and obj.spec.claimRef is not None
            told(obj.metadata.name or "" if taken else "")

        for informer in (self._claims, self._volumes, self._classes, self._csi_nodes):
            informer.add_handler(on_add=changed, on_update=lambda _, new: changed(new))
