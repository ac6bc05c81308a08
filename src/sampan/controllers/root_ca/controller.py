"""Publishes the cluster's CA as a ConfigMap in every namespace, and puts right what somebody changed in it."""

from __future__ import annotations

import msgspec

from sampan.api.errors import AlreadyExists
from sampan.api.types import core_v1, meta_v1
from sampan.controllers.contract import Context, KeyedController
from sampan.controllers.namespaces import is_terminating

NAME = "kube-root-ca.crt"
KEY = "ca.crt"
DESCRIPTION = "kubernetes.io/description"
TEXT = (
    "The CA of this cluster's API server, as Pods reach it inside the cluster (kubernetes.default.svc). "
    "Nothing is promised for other uses."
)


def desired(namespace: str, ca: str) -> core_v1.ConfigMap:
    meta = meta_v1.ObjectMeta(name=NAME, namespace=namespace, annotations={DESCRIPTION: TEXT})
    return core_v1.ConfigMap(metadata=meta, data={KEY: ca})


def corrected(found: core_v1.ConfigMap, ca: str) -> core_v1.ConfigMap | None:
    """What is to be written; None when all is well. Other people's labels and annotations stay."""
    annotations = found.metadata.annotations or {}
    if found.data == {KEY: ca} and DESCRIPTION in annotations:
        return None
    meta = msgspec.structs.replace(found.metadata, annotations={DESCRIPTION: TEXT, **annotations})
    return msgspec.structs.replace(found, metadata=meta, data={KEY: ca})


class RootCa(KeyedController):
    """Keys are namespaces."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        if not self.config.root_ca:
            return
        self.namespaces = context.informer(core_v1.Namespace)
        self.maps = context.informer(core_v1.ConfigMap, field_selector=f"metadata.name={NAME}")
        self.namespaces.add_key_handler(self.queue.add)

        def changed(found: core_v1.ConfigMap) -> None:
            self.queue.add(found.metadata.namespace or "")

        self.maps.add_handler(on_update=lambda _, new: changed(new), on_delete=changed)

    async def reconcile(self, key: str) -> None:
        namespace = self.namespaces.store.by_key(key)
        if namespace is None or namespace.status.phase != "Active" or namespace.metadata.deletionTimestamp:
            return
        maps = self.client.resource(core_v1.ConfigMap)
        found = self.maps.store.get(NAME, namespace=key)
        try:
            if found is None:
                await maps.create(desired(key, self.config.root_ca))
            elif (better := corrected(found, self.config.root_ca)) is not None:
                await maps.update(better)
        except AlreadyExists:
            pass
        except Exception as error:
            if not is_terminating(error):
                raise
