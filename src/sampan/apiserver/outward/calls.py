"""One question to another program over HTTPS, within a time, with the CA bundle that its configuration gives."""

from __future__ import annotations

import asyncio
import base64
import ssl
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from sampan.api.errors import ApiError, NotFound
from sampan.apiserver.core import Core
from sampan.apiserver.outward.services import address_of
from sampan.apiserver.streams.kubelet import KubeletConnection

_MAX_HEAD = 64 * 1024
_MAX_ANSWER = 6 * 1024 * 1024


class CallFailed(Exception):
    """It could not be asked, or did not answer as it should; says why."""


class Target(Struct, frozen=True):
    """Where to ask. `server_name`: whose certificate it must show."""

    host: str
    port: int
    path: str
    server_name: str
    ca_bundle: str = ""
    shown: str = ""
    secure: bool = True


def target_of(core: Core, config: Any) -> Target:
    """Of a `clientConfig` (a URL, or a Service with a path and a port). Raises `CallFailed`."""
    bundle = config.caBundle or ""
    if config.url:
        parts = urlsplit(config.url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        host = parts.hostname or ""
        return Target(host, parts.port or 443, path, host, bundle, config.url)
    service = config.service
    if service is None:
        raise CallFailed("neither a URL nor a service is configured")
    port = service.port or 443
    name = f"{service.name}.{service.namespace}.svc"
    shown = f"https://{name}:{port}{service.path or '/'}"
    try:
        host, number = address_of(core, service.namespace, service.name, str(port))
    except NotFound:
        raise CallFailed(f'Post "{shown}": service "{service.name}" not found') from None
    except ApiError as error:
        raise CallFailed(f'Post "{shown}": {error.message}') from None
    return Target(host, number, service.path or "/", name, bundle, shown)


async def ask(target: Target, body: Any, *, seconds: float) -> Any:
    """POST JSON, and the JSON that is answered. Raises `CallFailed`."""
    separator = "&" if "?" in target.path else "?"
    path = f"{target.path}{separator}timeout={seconds:g}s"
    shown = f'Post "{target.shown}{separator}timeout={seconds:g}s"'
    try:
        async with asyncio.timeout(seconds):
            connection = await dial(target)
            try:
                headers = {
                    "Host": f"{target.server_name}:{target.port}" if target.port != 443 else target.server_name,
                    "Content-Type": "application/json",
                    "Accept": "application/json",
                    "Connection": "close",
                }
                answered = await connection.ask("POST", path, headers, msgspec.json.encode(body))
                data = await connection.read_body(answered, _MAX_ANSWER)
            finally:
                connection.close()
    except TimeoutError:
        raise CallFailed(f"{shown}: context deadline exceeded") from None
    except ssl.SSLCertVerificationError as error:
        raise CallFailed(f"{shown}: tls: failed to verify certificate: x509: {error.verify_message}") from None
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
        raise CallFailed(f"{shown}: {error}") from None
    if not 200 <= answered.status < 300:
        raise CallFailed(f"the server answered {answered.status}: {data[:300].decode('utf-8', 'replace')}")
    try:
        return msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        raise CallFailed(f"{shown}: the answer is not JSON: {error}") from None


async def dial(target: Target) -> KubeletConnection:
    """Raises `OSError`."""
    context = tls_context(target.ca_bundle) if target.secure else None
    name = target.server_name if context is not None else None
    reader, writer = await asyncio.open_connection(
        target.host, target.port, ssl=context, server_hostname=name, limit=_MAX_HEAD
    )
    return KubeletConnection(reader, writer, target.server_name)


@lru_cache(maxsize=64)
def tls_context(ca_bundle: str, insecure: bool = False) -> ssl.SSLContext:
    """Without a bundle the system's authorities are believed."""
    context = ssl.create_default_context()
    if insecure:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    elif ca_bundle:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=base64.b64decode(ca_bundle).decode())
    return context
