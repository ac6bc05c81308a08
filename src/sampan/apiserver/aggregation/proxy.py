"""A request for another API server: passed on with who asks in its headers, and its answer streamed back.

The other server believes the headers because of our client certificate; what a client sends under their names goes.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from msgspec import Struct

from sampan.api.errors import ApiError, ServiceUnavailable
from sampan.api.types.apiregistration_v1 import APIService
from sampan.apiserver.contracts import ANONYMOUS, User
from sampan.apiserver.core import Core
from sampan.apiserver.outward.calls import tls_context
from sampan.apiserver.outward.services import address_of
from sampan.apiserver.request import Answer, Request
from sampan.apiserver.streams.kubelet import KubeletConnection
from sampan.apiserver.streams.passthrough import forwarded_headers, streamed
from sampan.apiserver.streams.relay import relay

_DIAL_SECONDS = 10.0
_MAX_HEAD = 64 * 1024
_IDENTITY = ("x-remote-user", "x-remote-uid", "x-remote-group", "x-remote-extra-")


class ProxyIdentity(Struct, frozen=True, kw_only=True):
    """The client certificate that other API servers know this one by."""

    certificate: Path
    key: Path


class Backends:
    """Connections to the servers behind APIServices."""

    def __init__(self, core: Core, identity: ProxyIdentity | None) -> None:
        self._core = core
        self._identity = identity
        self._contexts: dict[tuple[str, bool], ssl.SSLContext] = {}

    async def dial(self, service: APIService) -> KubeletConnection:
        """Raises `ServiceUnavailable`."""
        reference = service.spec.service
        assert reference is not None
        namespace, name = reference.namespace or "", reference.name or ""
        try:
            host, port = address_of(self._core, namespace, name, str(reference.port or 443))
        except ApiError as error:
            raise ServiceUnavailable(f"service unavailable: {error.message}") from None
        dialling = asyncio.open_connection(
            host, port, ssl=self._context(service), server_hostname=f"{name}.{namespace}.svc", limit=_MAX_HEAD
        )
        try:
            reader, writer = await asyncio.wait_for(asyncio.ensure_future(dialling), _DIAL_SECONDS)
        except (OSError, TimeoutError) as error:
            raise ServiceUnavailable(f"error trying to reach service: {error or 'i/o timeout'}") from None
        return KubeletConnection(reader, writer, f"{name}.{namespace}.svc")

    def _context(self, service: APIService) -> ssl.SSLContext:
        key = (service.spec.caBundle or "", bool(service.spec.insecureSkipTLSVerify))
        context = self._contexts.get(key)
        if context is None:
            context = self._contexts[key] = tls_context.__wrapped__(*key)  # our own: it gets our certificate
            if self._identity is not None and self._identity.certificate.exists():
                context.load_cert_chain(self._identity.certificate, self._identity.key)
        return context

    async def pass_on(self, request: Request, service: APIService) -> Answer:
        connection = await self.dial(service)
        path = quote(request.path, safe="/~:@!$&'()*+,;=")
        target = f"{path}?{request.query_string}" if request.query_string else path
        if request.header("upgrade"):
            return await relay(request, connection, target, identity=[*identity_headers(request.user or ANONYMOUS)])
        headers: list[tuple[str, str]] = [
            (k, v) for k, v in forwarded_headers(request).items() if not k.lower().startswith(_IDENTITY)
        ]
        headers += identity_headers(request.user or ANONYMOUS)
        headers.append(("Connection", "close"))
        try:
            answered = await connection.ask(request.method, target, headers, request.body)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
            connection.close()
            raise ServiceUnavailable(f"error trying to reach service: {error}") from None
        return streamed(answered, connection)


def identity_headers(user: User) -> Iterator[tuple[str, str]]:
    """Who asks, in headers; the values as UTF-8, which is how the other side reads them."""
    yield "X-Remote-User", _safe(user.name)
    if user.uid:
        yield "X-Remote-Uid", _safe(user.uid)
    for group in user.groups:
        yield "X-Remote-Group", _safe(group)
    for key, values in user.extra.items():
        for value in values:
            yield f"X-Remote-Extra-{quote(key, safe='')}", _safe(value)


def _safe(text: str) -> str:
    """What would end the header is written as a path would have it: nobody's name becomes another's header."""
    whole = "".join(quote(c) if c in "\r\n\0" else c for c in text)
    return whole.encode().decode("latin-1")
