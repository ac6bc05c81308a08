"""Browsers cannot set headers on a WebSocket: they say their bearer token as a subprotocol, beside the real one."""

from __future__ import annotations

import base64
import binascii

from sampan.api.errors import Unauthorized
from sampan.apiserver.request import Request

PREFIX = "base64url.bearer.authorization.k8s.io."
HEADER = "sec-websocket-protocol"


def take_token(request: Request) -> None:
    """The token becomes the Authorization header, and is not passed on. Raises `Unauthorized`."""
    offered = request.headers.get(HEADER, "")
    if PREFIX not in offered or request.header("authorization"):
        return
    protocols = [p.strip() for p in offered.replace("\n", ",").split(",") if p.strip()]
    tokens = [p.removeprefix(PREFIX) for p in protocols if p.startswith(PREFIX)]
    others = [p for p in protocols if not p.startswith(PREFIX)]
    if len(tokens) != 1 or not others:
        raise Unauthorized("Unauthorized")  # the answer has to name a protocol, and it cannot be the token
    try:
        token = base64.b64decode(tokens[0] + "=" * (-len(tokens[0]) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise Unauthorized("Unauthorized") from None
    request.headers = {**request.headers, HEADER: ", ".join(others), "authorization": f"Bearer {token}"}
