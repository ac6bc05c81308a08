"""Bootstrap tokens: Secrets in kube-system with which a machine joins. Pure."""

from __future__ import annotations

import base64
import binascii

from sampan.api import times
from sampan.api.types import core_v1

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
