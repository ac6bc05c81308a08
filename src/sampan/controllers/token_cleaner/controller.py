"""Removes expired bootstrap tokens (Secrets in kube-system)."""

from __future__ import annotations

import base64
import binascii

from sampan.api import times
from sampan.api.errors import NotFound
from sampan.api.meta import split_key
from sampan.api.types import core_v1
from sampan.controllers.contract import Context, KeyedController

NAMESPACE, TYPE = "kube-system", "bootstrap.kubernetes.io/token"


def expires_at(secret: core_v1.Secret) -> float | None:
    """A time that cannot be read is over: a token must not live on because of a slip."""
    written = (secret.data or {}).get("expiration")
    if not written:
        return None
    try:
        return times.parse(base64.b64decode(written, validate=True).decode())
    except (times.TimeError, binascii.Error, UnicodeDecodeError):
        return 0.0


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
