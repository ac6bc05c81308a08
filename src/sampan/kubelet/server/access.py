"""Who may ask: a client certificate of the cluster's CA, and a SubjectAccessReview on the node's subresources."""

import ssl
import time
from pathlib import Path
from typing import Any

from aiohttp import web
from cryptography import x509
from cryptography.x509.oid import NameOID

from sampan.api.errors import ApiError
from sampan.api.types import authorization_v1
from sampan.client.api import Client
from sampan.client.tls import serve_newest
from sampan.client.transport import TransportError

REMEMBER_ALLOWED, REMEMBER_DENIED = 300.0, 30.0
ALL_OF_IT = "proxy"
SUBRESOURCES = {  # by the first part of the path: any of them is enough
    "stats": ("stats",),
    "metrics": ("metrics",),
    "logs": ("log",),
    "checkpoint": ("checkpoint",),
    "pods": ("pods", ALL_OF_IT),
    "runningpods": ("pods", ALL_OF_IT),
    "configz": ("configz", ALL_OF_IT),
    "healthz": ("healthz", ALL_OF_IT),
}
VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


class Identity:
    __slots__ = ("groups", "name")

    def __init__(self, name: str, groups: tuple[str, ...]) -> None:
        self.name = name
        self.groups = groups


def server_context(cert: Path, key: Path, client_ca: Path | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    serve_newest(context, cert, key)
    if client_ca is not None:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def identity_of(request: web.Request) -> Identity | None:
    transport = request.transport
    tls: Any = transport.get_extra_info("ssl_object") if transport is not None else None
    raw = tls.getpeercert(binary_form=True) if tls is not None else None
    if not raw:
        return None
    subject = x509.load_der_x509_certificate(raw).subject
    names = [str(a.value) for a in subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    groups = [str(a.value) for a in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    return Identity(names[0] if names else "", (*groups, "system:authenticated"))


class Access:
    def __init__(self, client: Client, node_name: str) -> None:
        self._reviews = client.resource(authorization_v1.SubjectAccessReview)
        self._node_name = node_name
        self._known: dict[tuple[str, tuple[str, ...], str, str], tuple[bool, float]] = {}

    @web.middleware
    async def middleware(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.path == "/healthz":
            return await handler(request)  # type: ignore[no-any-return]  # aiohttp's own handler type
        identity = identity_of(request)
        if identity is None:
            return web.Response(status=401, text="Unauthorized")
        first = request.path.lstrip("/").split("/", 1)[0]
        subresources = SUBRESOURCES.get(first, (ALL_OF_IT,))
        verb = VERBS.get(request.method, "get")
        for subresource in subresources:
            if await self._allowed(identity, verb, subresource):
                return await handler(request)  # type: ignore[no-any-return]  # as above
        asked = f"verb={verb}, resource=nodes, subresource(s)=[{' '.join(subresources)}]"
        return web.Response(status=403, text=f"Forbidden (user={identity.name}, {asked})\n")

    async def _allowed(self, identity: Identity, verb: str, subresource: str) -> bool:
        key = (identity.name, identity.groups, verb, subresource)
        known = self._known.get(key)
        if known is not None and time.monotonic() < known[1]:
            return known[0]
        review = authorization_v1.SubjectAccessReview(
            kind="SubjectAccessReview",
            apiVersion="authorization.k8s.io/v1",
            spec=authorization_v1.SubjectAccessReviewSpec(
                user=identity.name,
                groups=list(identity.groups),
                resourceAttributes=authorization_v1.ResourceAttributes(
                    verb=verb, version="v1", resource="nodes", subresource=subresource, name=self._node_name
                ),
            ),
        )
        try:
            answer = await self._reviews.create(review)
        except (ApiError, TransportError):
            return False
        allowed = answer.status.allowed
        self._known[key] = (allowed, time.monotonic() + (REMEMBER_ALLOWED if allowed else REMEMBER_DENIED))
        return allowed
