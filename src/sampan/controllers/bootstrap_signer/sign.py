"""Which signatures the ConfigMap `cluster-info` must carry: one per bootstrap token, so that who holds a token can tell
that the kubeconfig in it is genuine, without knowing the CA. Pure.

A signature is a JWS (RFC 7515) with a detached payload: the token's secret is the key, its id the key's id.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Iterable

from sampan.api.types import core_v1
from sampan.controllers.bootstrap_tokens import expires_at

KUBECONFIG, SIGNATURE = "kubeconfig", "jws-kubeconfig-"
SECRET_PREFIX = "bootstrap-token-"  # noqa: S105 - a name


def desired(data: dict[str, str], secrets: Iterable[core_v1.Secret], now: float) -> dict[str, str]:
    """The ConfigMap's data with the signatures that belong there, and no others."""
    kept = {k: v for k, v in data.items() if not k.startswith(SIGNATURE)}
    content = kept.get(KUBECONFIG)
    if content is None:
        return kept
    for secret in secrets:
        token = signing_token(secret, now)
        if token is not None:
            kept[SIGNATURE + token[0]] = detached_jws(content, *token)
    return kept


def signing_token(secret: core_v1.Secret, now: float) -> tuple[str, str] | None:
    """Id and secret of a token that is meant for signing and has not expired."""
    found = {k: _text(v) for k, v in (secret.data or {}).items()}
    name, key = found.get("token-id", ""), found.get("token-secret", "")
    if not name or not key or secret.metadata.name != SECRET_PREFIX + name:
        return None
    ends = expires_at(secret)
    if found.get("usage-bootstrap-signing") != "true" or (ends is not None and ends <= now):
        return None
    return name, key


def detached_jws(content: str, name: str, key: str) -> str:
    header = _url64(json.dumps({"alg": "HS256", "kid": name}, separators=(",", ":")).encode())
    signed = f"{header}.{_url64(content.encode())}".encode()
    return f"{header}..{_url64(hmac.new(key.encode(), signed, hashlib.sha256).digest())}"


def _url64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _text(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
