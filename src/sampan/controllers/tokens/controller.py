"""Fills and removes Secrets of type `kubernetes.io/service-account-token`.

The token comes from the TokenRequest API, is bound to its Secret and ends with it; its own end is a century away, as
people expect such tokens to go on.
"""

from __future__ import annotations

import base64

from msgspec.structs import replace

from sampan.api.errors import NotFound
from sampan.api.meta import annotations as annotations_of
from sampan.api.meta import key, split_key
from sampan.api.types import authentication_v1, core_v1
from sampan.controllers.contract import Context, KeyedController
from sampan.controllers.namespaces import is_terminating

TYPE = "kubernetes.io/service-account-token"
NAME, UID = "kubernetes.io/service-account.name", "kubernetes.io/service-account.uid"
A_CENTURY = 100 * 365 * 24 * 3600


class Tokens(KeyedController):
    """Keys are Secrets."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.secrets = context.informer(core_v1.Secret, field_selector=f"type={TYPE}")
        self.accounts = context.informer(core_v1.ServiceAccount)
        self.secrets.add_key_handler(self.queue.add)
        self.accounts.add_handler(on_add=self._account, on_delete=self._account)

    def _account(self, account: core_v1.ServiceAccount) -> None:
        for secret in self.secrets.store.list(namespace=account.metadata.namespace or ""):
            if annotations_of(secret).get(NAME) == account.metadata.name:
                self.queue.add(key(secret))

    async def reconcile(self, key: str) -> None:
        secret = self.secrets.store.by_key(key)
        if secret is None or secret.metadata.deletionTimestamp:
            return
        said = annotations_of(secret)
        namespace, name = split_key(key)
        account = await self._account_of(namespace, said.get(NAME, ""))
        try:
            if account is None or said.get(UID, account.metadata.uid) != account.metadata.uid:
                uid = secret.metadata.uid or ""
                await self.client.resource(core_v1.Secret).delete(name, namespace=namespace, uid=uid)
            elif not {"token", "namespace"} <= set(secret.data or {}) or UID not in said:
                await self._fill(secret, account)
        except NotFound:
            pass
        except Exception as error:
            if not is_terminating(error):
                raise

    async def _account_of(self, namespace: str, name: str) -> core_v1.ServiceAccount | None:
        found = self.accounts.store.get(name, namespace=namespace) if name else None
        if found is not None or not name:
            return found
        try:  # no Secret is removed on the word of a cache
            return await self.client.resource(core_v1.ServiceAccount).get(name, namespace=namespace)
        except NotFound:
            return None

    async def _fill(self, secret: core_v1.Secret, account: core_v1.ServiceAccount) -> None:
        namespace = secret.metadata.namespace or ""
        data = dict(secret.data or {})
        if "token" not in data:
            data["token"] = _encoded(await self._token(secret, account))
        data["namespace"] = _encoded(namespace)
        if self.config.root_ca:
            data["ca.crt"] = _encoded(self.config.root_ca)
        said = {**annotations_of(secret), UID: account.metadata.uid or ""}
        await self.client.resource(core_v1.Secret).update(
            replace(secret, metadata=replace(secret.metadata, annotations=said), data=data)
        )

    async def _token(self, secret: core_v1.Secret, account: core_v1.ServiceAccount) -> str:
        bound = authentication_v1.BoundObjectReference(
            apiVersion="v1", kind="Secret", name=secret.metadata.name, uid=secret.metadata.uid
        )
        request = authentication_v1.TokenRequest(
            kind="TokenRequest",
            apiVersion="authentication.k8s.io/v1",
            spec=authentication_v1.TokenRequestSpec(audiences=[], boundObjectRef=bound, expirationSeconds=A_CENTURY),
        )
        answer = await self.client.resource(core_v1.ServiceAccount).create_subresource(
            account.metadata.name or "",
            "token",
            request,
            namespace=account.metadata.namespace or "",
            answer=authentication_v1.TokenRequest,
        )
        return answer.status.token or ""


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
