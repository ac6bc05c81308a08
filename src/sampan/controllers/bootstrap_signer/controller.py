"""Keeps the signatures of `cluster-info` in kube-public, where somebody has put it."""

from __future__ import annotations

from msgspec.structs import replace

from sampan.api.types import core_v1
from sampan.controllers.bootstrap_signer.sign import desired
from sampan.controllers.bootstrap_tokens import NAMESPACE, TYPE, expires_at
from sampan.controllers.contract import Context, KeyedController

PUBLIC, NAME = "kube-public", "cluster-info"
KEY = f"{PUBLIC}/{NAME}"


class BootstrapSigner(KeyedController):
    """One key: the ConfigMap."""

    workers = 1

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.maps = context.informer(core_v1.ConfigMap, namespace=PUBLIC, field_selector=f"metadata.name={NAME}")
        self.secrets = context.informer(core_v1.Secret, namespace=NAMESPACE, field_selector=f"type={TYPE}")
        self.maps.add_key_handler(self.queue.add)
        self.secrets.add_key_handler(lambda _: self.queue.add(KEY))

    async def reconcile(self, key: str) -> float | None:
        found = self.maps.store.by_key(key)
        if found is None:
            return None
        now = self.clock.now()
        secrets = sorted(self.secrets.store, key=lambda s: s.metadata.name or "")
        data = desired(found.data or {}, secrets, now)
        if data != (found.data or {}):
            await self.client.resource(core_v1.ConfigMap).update(replace(found, data=data))
        ends = (at - now for s in secrets if (at := expires_at(s)) is not None)
        return min((left for left in ends if left > 0), default=None)
