"""Proving to a registry who asks: basic, and bearer tokens from the server that its challenge names.

Also where credentials come from: an AuthConfig that the caller brings (imagePullSecrets), or Docker's config.json.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from sampan.runtime.images.faults import Denied, RegistryError
from sampan.runtime.images.reference import DEFAULT_REGISTRY
from sampan.runtime.records import AuthConfig

_PARAMETER = re.compile(r'([A-Za-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*,?\s*')
_HUB = ("https://index.docker.io/v1/", "index.docker.io", "registry-1.docker.io", "docker.io")

# (method, url, headers, form) → (status, reason, body); how tokens are fetched without knowing the client
Ask = Callable[[str, str, dict[str, str], dict[str, str] | None], Awaitable[tuple[int, str, bytes]]]


@dataclass(frozen=True, slots=True)
class Challenge:
    scheme: str  # lower case
    parameters: dict[str, str]


def challenges(header: str) -> list[Challenge]:
    """The parts of a WWW-Authenticate header."""
    found: list[Challenge] = []
    rest = header.strip()
    while rest:
        scheme, _, rest = rest.partition(" ")
        parameters: dict[str, str] = {}
        rest = rest.lstrip()
        while match := _PARAMETER.match(rest):
            parameters[match[1].lower()] = match[3] or re.sub(r"\\(.)", r"\1", match[2] or "")
            rest = rest[match.end() :]
        found.append(Challenge(scheme.rstrip(",").lower(), parameters))
    return found


class Authorizer:
    """One registry's authorisation during one pull: learns from challenges, keeps what it got."""

    def __init__(self, auth: AuthConfig | None, scope: str, ask: Ask) -> None:
        self._user, self._password = credentials(auth) if auth else ("", "")
        self._identity_token = auth.identity_token if auth else ""
        self._header = f"Bearer {auth.registry_token}" if auth and auth.registry_token else ""
        self._scope = scope
        self._ask = ask

    def header(self) -> str:
        return self._header

    async def answer(self, www_authenticate: str, attempt: int) -> bool:
        """React to a 401. False: there is nothing more to try, the 401 stands. Raises Denied when it is clear why."""
        offered = {challenge.scheme: challenge for challenge in challenges(www_authenticate)}
        if bearer := offered.get("bearer"):
            if attempt > 0:
                said = bearer.parameters.get("error")
                if said:
                    raise Denied(f"server message: {said}: authorization failed")
                return False
            self._header = f"Bearer {await self._token(bearer.parameters)}"
            return True
        if "basic" in offered:
            if not self._user and not self._password:
                raise Denied("authorization failed: no basic auth credentials")
            self._header = f"Basic {_basic(self._user, self._password)}"
            return attempt == 0
        return False

    async def _token(self, parameters: dict[str, str]) -> str:
        realm = parameters.get("realm", "")
        if not realm.startswith(("https://", "http://")):
            raise RegistryError("failed to authorize: no realm specified for token auth challenge")
        scopes = list(dict.fromkeys((parameters.get("scope") or self._scope).split(" ")))
        service = parameters.get("service", "")
        kind = "oauth" if self._user or self._identity_token else "anonymous"
        try:
            if self._identity_token:
                return await self._refresh(realm, service, " ".join(scopes))
            query = urlencode([("scope", scope) for scope in scopes] + ([("service", service)] if service else []))
            url = f"{realm}{'&' if '?' in realm else '?'}{query}"
            headers = {"Authorization": f"Basic {_basic(self._user, self._password)}"} if self._user else {}
            return _read_token("GET", realm, *await self._ask("GET", url, headers, None))
        except RegistryError as e:
            raise RegistryError(f"failed to authorize: failed to fetch {kind} token: {e}", transient=e.transient) from e

    async def _refresh(self, realm: str, service: str, scope: str) -> str:
        form = {
            "grant_type": "refresh_token", "refresh_token": self._identity_token, "client_id": "sampan",
            "service": service, "scope": scope,
        }  # fmt: skip
        return _read_token("POST", realm, *await self._ask("POST", realm, {}, form))


def _read_token(method: str, url: str, status: int, reason: str, body: bytes) -> str:
    from sampan.runtime.images.faults import status_fault

    if status != 200:
        raise status_fault(method, url, status, reason, body)
    try:
        document = json.loads(body)
        token = document.get("token") or document.get("access_token")
    except (ValueError, AttributeError) as e:
        raise RegistryError(f"unable to decode token response: {e}") from e
    if not isinstance(token, str) or not token:
        raise RegistryError("authorization server did not include a token in the response")
    return token


def credentials(auth: AuthConfig) -> tuple[str, str]:
    """User and password, also from the packed form."""
    if auth.username or auth.password or not auth.auth:
        return auth.username, auth.password
    try:
        user, _, password = base64.b64decode(auth.auth, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as e:
        raise RegistryError(f"invalid auth value: {e}") from e
    return user, password.rstrip("\0")


def serves(auth: AuthConfig, host: str) -> bool:
    """Whether credentials are meant for a host. Those without an address are for the registry that was asked for."""
    if not auth.server_address:
        return True
    address = auth.server_address.split("://")[-1].split("/")[0]
    return address == host or (address in _HUB and host in _HUB)


def docker_config_auth(registry: str, path: Path | None = None) -> AuthConfig | None:
    """What Docker's config.json holds for a registry. Credential helpers are programs of Docker's own and are not
    run."""
    path = path or Path.home() / ".docker" / "config.json"
    try:
        auths: dict[str, Any] = json.loads(path.read_bytes()).get("auths") or {}
    except (OSError, ValueError, AttributeError):
        return None
    names = _HUB if registry == DEFAULT_REGISTRY else (registry, f"https://{registry}", f"http://{registry}")
    for key, entry in auths.items():
        plain = key.rstrip("/")
        if plain in {name.rstrip("/") for name in names} or plain.split("://")[-1].split("/")[0] == registry:
            return AuthConfig(
                username=entry.get("username", ""),
                password=entry.get("password", ""),
                auth=entry.get("auth", ""),
                identity_token=entry.get("identitytoken", ""),
                registry_token=entry.get("registrytoken", ""),
            )
    return None


def _basic(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()
