"""Who asks the kubelet: by a client certificate of the cluster's CA, or by a bearer token that the API server knows."""

import hashlib
from typing import Any

from aiohttp import web
from cryptography import x509
from cryptography.x509.oid import NameOID
from msgspec import Struct

from sampan.api.errors import ApiError
from sampan.api.types import authentication_v1
from sampan.client.api import Client
from sampan.client.clock import Clock
from sampan.client.transport import TransportError

REMEMBERED = 120.0  # seconds for which a token is believed to be whose it was
AUTHENTICATED = "system:authenticated"


class Identity(Struct, frozen=True):
    name: str
    groups: tuple[str, ...]
    uid: str = ""


class Identities:
    def __init__(self, client: Client, clock: Clock) -> None:
        self._reviews = client.resource(authentication_v1.TokenReview)
        self._clock = clock
        self._known: dict[str, tuple[Identity | None, float]] = {}

    async def of(self, request: web.Request) -> Identity | None:
        """None: nobody that anybody vouches for."""
        by_certificate = _by_certificate(request)
        if by_certificate is not None:
            return by_certificate
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return await self._by_token(token.strip()) if scheme.lower() == "bearer" and token.strip() else None

    async def _by_token(self, token: str) -> Identity | None:
        key, now = hashlib.sha256(token.encode()).hexdigest(), self._clock.monotonic()
        known = self._known.get(key)
        if known is not None and now < known[1]:
            return known[0]
        review = authentication_v1.TokenReview(
            kind="TokenReview",
            apiVersion="authentication.k8s.io/v1",
            spec=authentication_v1.TokenReviewSpec(token=token),
        )
        try:
            status = (await self._reviews.create(review)).status
        except (ApiError, TransportError):
            return None  # not remembered: the API server may be back in a moment
        user = status.user
        found = None
        if status.authenticated and user is not None and user.username:
            groups = tuple(dict.fromkeys([*(user.groups or ()), AUTHENTICATED]))
            found = Identity(user.username, groups, user.uid or "")
        self._known = {k: v for k, v in self._known.items() if now < v[1]}
        self._known[key] = (found, now + REMEMBERED)
        return found


def _by_certificate(request: web.Request) -> Identity | None:
    transport = request.transport
    tls: Any = transport.get_extra_info("ssl_object") if transport is not None else None
    raw = tls.getpeercert(binary_form=True) if tls is not None else None
    if not raw:
        return None
    subject = x509.load_der_x509_certificate(raw).subject
    names = [str(a.value) for a in subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    groups = [str(a.value) for a in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    return Identity(names[0] if names else "", (*groups, AUTHENTICATED))
