"""Bootstrap tokens: `ID.SECRET`, kept as Secrets of kube-system, with which a machine may ask to join."""

from __future__ import annotations

import base64
import hmac
import re
from datetime import UTC, datetime

import msgspec

from sampan.api.errors import Unauthorized
from sampan.api.types import core_v1
from sampan.apiserver.authn.serviceaccounts import bearer
from sampan.apiserver.contracts import AUTHENTICATED, User
from sampan.apiserver.core import Core
from sampan.apiserver.request import Request

TOKEN = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})")
TYPE = "bootstrap.kubernetes.io/token"
GROUP = "system:bootstrappers"


class BootstrapTokens:
    def __init__(self, core: Core) -> None:
        endpoint = core.endpoint("", "v1", "secrets")
        assert endpoint is not None
        self._secrets = endpoint.cache

    async def authenticate(self, request: Request) -> User | None:
        match = TOKEN.fullmatch(bearer(request))
        if match is None:
            return None
        user = self._check(match[1], match[2])
        if user is None:
            raise Unauthorized("Unauthorized")
        return user

    def _check(self, token_id: str, secret: str) -> User | None:
        found = self._secrets.get("kube-system", f"bootstrap-token-{token_id}")
        if found is None:
            return None
        stored = msgspec.json.decode(b"{" + found.tail, type=core_v1.Secret)
        data = {k: base64.b64decode(v).decode(errors="replace") for k, v in (stored.data or {}).items()}
        good = hmac.compare_digest(data.get("token-secret", "").encode(), secret.encode())
        if not good or stored.type != TYPE or stored.metadata.deletionTimestamp or data.get("token-id") != token_id:
            return None
        if data.get("usage-bootstrap-authentication") != "true" or _expired(data.get("expiration", "")):
            return None
        extra = [g for g in data.get("auth-extra-groups", "").split(",") if g.startswith(f"{GROUP}:")]
        return User(name=f"system:bootstrap:{token_id}", groups=(GROUP, *extra, AUTHENTICATED))


def _expired(text: str) -> bool:
    if not text:
        return False
    try:
        return datetime.fromisoformat(text) <= datetime.now(UTC)
    except (ValueError, TypeError):
        return True
