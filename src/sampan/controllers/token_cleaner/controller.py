"""Removes expired bootstrap tokens (Secrets in kube-system)."""

from __future__ import annotations

from sampan.api.errors import NotFound
from sampan.api.meta import split_key
from sampan.api.types import core_v1
from sampan.controllers.bootstrap_tokens import NAMESPACE, TYPE, expires_at
from sampan.controllers.contract import Context, KeyedController


class TokenCleaner(KeyedController):
    """Keys are Secrets."""

    workers = 1

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.secrets = context.informer(core_v1.Secret, namespace=NAMESPACE, field_selector=f"type={TYPE}")
        self.secrets.add_key_handler(self.queue.add)

    async def reconcile(self, key: str) -> float | None:
        secret = self.secrets.store.by_key(key)
        ends = expires_at(secret) if secret is not None else None
        if secret is None or ends is None:
            return None
        left = ends - self.clock.now()
        if left > 0:
            return left
        namespace, name = split_key(key)
        try:
            await self.client.resource(core_v1.Secret).delete(name, namespace=namespace, uid=secret.metadata.uid or "")
        except NotFound:
            pass
        return None
