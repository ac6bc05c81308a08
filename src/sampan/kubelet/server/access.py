"""Who may ask what: whoever `identity.py` knows, if a SubjectAccessReview on the node's subresources says so."""

import ssl
from pathlib import Path
from typing import Any

from aiohttp import web

from sampan.api.errors import ApiError
from sampan.api.types import authorization_v1
from sampan.client.api import Client
from sampan.client.clock import Clock
from sampan.client.tls import serve_newest
from sampan.client.transport import TransportError
from sampan.kubelet.server.identity import Identities, Identity

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


def server_context(cert: Path, key: Path, client_ca: Path | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    serve_newest(context, cert, key)
    if client_ca is not None:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


class Access:
    def __init__(self, client: Client, node_name: str, clock: Clock) -> None:
        self._reviews = client.resource(authorization_v1.SubjectAccessReview)
        self._node_name = node_name
        self._clock = clock
        self._identities = Identities(client, clock)
        self._known: dict[tuple[Identity, str, str], tuple[bool, float]] = {}

    @web.middleware
    async def middleware(self, request: web.Request, handler: Any) -> web.StreamResponse:
        identity = await self._identities.of(request)
        if identity is None:
            return web.Response(status=401, text="Unauthorized")
        first = request.path.lstrip("/").split("/", 1)[0]
        subresources = SUBRESOURCES.get(first, (ALL_OF_IT,))
        verb = VERBS.get(request.method, "get")
        for subresource in subresources:
            if await self._allowed(identity, verb, subresource):
                return await handler(request)  # type: ignore[no-any-return]  # aiohttp's own handler type
        asked = f"verb={verb}, resource=nodes, subresource(s)=[{' '.join(subresources)}]"
        return web.Response(status=403, text=f"Forbidden (user={identity.name}, {asked})\n")

    async def _allowed(self, identity: Identity, verb: str, subresource: str) -> bool:
        key, now = (identity, verb, subresource), self._clock.monotonic()
        known = self._known.get(key)
        if known is not None and now < known[1]:
            return known[0]
        review = authorization_v1.SubjectAccessReview(
            kind="SubjectAccessReview",
            apiVersion="authorization.k8s.io/v1",
            spec=authorization_v1.SubjectAccessReviewSpec(
                user=identity.name,
                groups=list(identity.groups),
                uid=identity.uid or None,
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
        self._known = {k: v for k, v in self._known.items() if now < v[1]}
        self._known[key] = (allowed, now + (REMEMBER_ALLOWED if allowed else REMEMBER_DENIED))
        return allowed
