"""One registry during one pull: asking its endpoints for manifests and blobs, over the OCI distribution protocol.

Redirects are followed here, not by the HTTP client, so that credentials never travel to the storage host a registry
points at. What goes wrong is worded by `faults.py`; what to do about it is decided in `download.py` and `pull.py`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from sampan.runtime.images.auth import Authorizer, serves
from sampan.runtime.images.blocking import blocking
from sampan.runtime.images.content import DigestMismatch, hash_of
from sampan.runtime.images.faults import Denied, NotInRegistry, RegistryError, broken_body, network_fault, status_fault
from sampan.runtime.images.hosts import Endpoint, endpoints, is_local
from sampan.runtime.images.manifest import INDEXES, MANIFESTS, MAX_DOCUMENT, Descriptor
from sampan.runtime.images.reference import BadReference, Reference, check_digest
from sampan.runtime.records import AuthConfig

_ACCEPT = ", ".join((*sorted(MANIFESTS), *sorted(INDEXES), "*/*"))
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 10
_READ_TIMEOUT = 60.0
_TRIES = 4

T = TypeVar("T")
Sleep = Callable[[float], Awaitable[None]]


def new_session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        auto_decompress=False,  # a blob is the bytes that its digest names
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": "sampan", "Accept-Encoding": "identity"},
        connector=aiohttp.TCPConnector(limit=32, limit_per_host=8),
    )


async def with_retries(attempt: Callable[[], Awaitable[T]], sleep: Sleep, tries: int = _TRIES) -> T:
    """Try again what may work the next time, with growing pauses."""
    for number in range(1, tries + 1):
        try:
            return await attempt()
        except RegistryError as e:
            if not e.transient or number == tries:
                raise
            await sleep(e.retry_after or backoff(number))
    raise AssertionError


def backoff(number: int) -> float:
    return min(0.2 * 2.0**number, 10.0) * random.uniform(0.5, 1.0)


class Registry:
    """Whatever answers for `ref`'s registry."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        ref: Reference,
        auth: AuthConfig | None,
        hosts_dirs: Sequence[Path],
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._session = session
        self._ref = ref
        self._auth = auth
        self._hosts_dirs = hosts_dirs
        self.sleep = sleep
        self._servers: list[_Server] = []

    async def open(self) -> None:
        scope = f"repository:{self._ref.repository}:pull"

        def read() -> list[_Server]:
            servers = []
            for endpoint in endpoints(self._ref.registry, self._hosts_dirs):
                mine = self._auth if self._auth and may_see(endpoint, self._auth, self._ref.registry) else None
                servers.append(_Server(self._session, endpoint, mine, scope))
            return servers

        self._servers = await blocking(read)

    async def resolve(self) -> Descriptor:
        """What the reference stands for: digest, media type, size."""
        first: RegistryError | None = None
        path = f"{self._ref.repository}/manifests/{self._ref.target}"
        for server in self._able("resolve" if not self._ref.digest else "pull"):

            async def head(server: _Server = server) -> Descriptor:
                return await server.describe(path)

            try:
                found = await with_retries(head, self.sleep)
            except NotInRegistry:
                continue
            except Denied as e:
                denied = "pull access denied, repository does not exist or may require authorization"
                first = first or Denied(f"{denied}: {e}")
            except RegistryError as e:
                first = first or e
            else:
                if self._ref.digest and found.digest != self._ref.digest:
                    first = first or RegistryError(f"{self._ref}: answered with {found.digest}: failed precondition")
                    continue
                self._servers.sort(key=lambda other: other is not server)  # who knows the name is asked first
                return found
        raise first or NotInRegistry(f"{self._ref}: not found")

    async def manifest(self, what: Descriptor) -> bytes:
        """A manifest's or index's bytes, the right ones."""
        path = f"{self._ref.repository}/manifests/{what.digest}"

        async def fetch() -> bytes:
            async with self._get(path) as response:
                raw = await _body(response, MAX_DOCUMENT)
            if hash_of(what.digest, raw) != what.digest:
                raise DigestMismatch(
                    f"unexpected commit digest {hash_of(what.digest, raw)}, expected {what.digest}: failed precondition"
                )
            return raw

        return await with_retries(fetch, self.sleep)

    @asynccontextmanager
    async def blob(self, digest: str, offset: int = 0) -> AsyncIterator[aiohttp.ClientResponse]:
        """A blob's bytes from `offset` on: the answer's status is 206, or 200 when it begins at the start."""
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        async with self._get(f"{self._ref.repository}/blobs/{digest}", headers) as response:
            yield response

    @asynccontextmanager
    async def _get(self, path: str, headers: dict[str, str] | None = None) -> AsyncIterator[aiohttp.ClientResponse]:
        error: RegistryError | None = None
        for server in self._able("pull"):
            try:
                response = await server.get(path, headers or {})
            except RegistryError as e:
                if error is None or isinstance(error, NotInRegistry):
                    error = e
                continue
            try:
                yield response
            finally:
                response.close()  # not released: what is left of a body is not worth reading
            return
        raise error or RegistryError(f"no endpoint of {self._ref.registry} may be pulled from")

    def _able(self, capability: str) -> list[_Server]:
        return [server for server in self._servers if capability in server.endpoint.capabilities]


def may_see(endpoint: Endpoint, auth: AuthConfig, registry: str) -> bool:
    """Credentials go to the registry they were given for, and to a mirror only if they name it."""
    if endpoint.upstream and serves(auth, registry):
        return True
    return bool(auth.server_address) and serves(auth, endpoint.host)


class _Server:
    """One endpoint with its authorisation."""

    def __init__(self, session: aiohttp.ClientSession, endpoint: Endpoint, auth: AuthConfig | None, scope: str) -> None:
        self._session = session
        self.endpoint = endpoint
        self._ssl = endpoint.ssl()
        self._authorizer = Authorizer(auth, scope, self._ask)
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=endpoint.dial_timeout, sock_read=_READ_TIMEOUT)

    async def describe(self, path: str) -> Descriptor:
        """HEAD, or GET where a registry does not tell the digest otherwise."""
        url = self.endpoint.url(path)
        response = await self._request("HEAD", url, {"Accept": _ACCEPT})
        async with response:
            digest = response.headers.get("Docker-Content-Digest", "")
            length = response.headers.get("Content-Length", "")
            kind = response.headers.get("Content-Type", "").partition(";")[0].strip()
            if response.status == 200 and digest and length.isdigit():
                try:
                    return Descriptor(media_type=kind, digest=check_digest(digest), size=int(length))
                except BadReference as e:
                    raise RegistryError(f"failed to parse digest {digest!r}: {e}") from e
            refused = response.status
        if refused == 404:
            raise NotInRegistry(f"{url}: not found")
        response = await self._request("GET", url, {"Accept": _ACCEPT})
        async with response:
            if response.status != 200:  # worded by the HEAD, as containerd does; the GET brings what the server says
                raise status_fault(
                    "HEAD", url, response.status, response.reason or "", await _said(response),
                    response.headers.get("Retry-After", ""),
                )  # fmt: skip
            raw = await _body(response, MAX_DOCUMENT)
            kind = response.headers.get("Content-Type", "").partition(";")[0].strip()
        return Descriptor(media_type=kind, digest=hash_of("sha256:" + "0" * 64, raw), size=len(raw))

    async def get(self, path: str, headers: dict[str, str]) -> aiohttp.ClientResponse:
        """A 200 or 206 to read from, and to close."""
        url = self.endpoint.url(path)
        response = await self._request("GET", url, {"Accept": _ACCEPT} | headers)
        if response.status in (200, 206):
            return response
        async with response:
            raise status_fault(
                "GET", url, response.status, response.reason or "", await _said(response),
                response.headers.get("Retry-After", ""),
            )  # fmt: skip

    async def _request(self, method: str, url: str, headers: dict[str, str]) -> aiohttp.ClientResponse:
        """The answer after authorisation and redirects, whatever its status."""
        for attempt in range(3):
            response = await self._follow(method, url, headers)
            if response.status != 401:
                return response
            challenge = ", ".join(response.headers.getall("WWW-Authenticate", []))
            if not await self._authorizer.answer(challenge, attempt):
                return response
            response.release()
        return response

    async def _follow(self, method: str, url: str, headers: dict[str, str]) -> aiohttp.ClientResponse:
        origin, path = _origin(url), url
        own = dict(self.endpoint.headers)
        for _ in range(_MAX_REDIRECTS):
            mine = headers | own
            if (authorization := self._authorizer.header()) and _origin(url) == origin:
                mine["Authorization"] = authorization
            response = await self._send(method, url, mine)
            location = response.headers.get("Location")
            if response.status not in _REDIRECTS or not location:
                return response
            response.release()
            target = urljoin(url, location)
            # what is named by a digest may come from anywhere; a name's meaning only from whom TLS vouches for
            allowed = ("http", "https") if url.startswith("http:") or "/blobs/" in path else ("https",)
            if urlsplit(target).scheme not in allowed:
                raise RegistryError(f"refused redirect from {url} to {target}")
            if _origin(target) != origin:
                own = {}
            url = target
        raise RegistryError(f"stopped after {_MAX_REDIRECTS} redirects of {url}")

    async def _send(
        self, method: str, url: str, headers: dict[str, str], form: dict[str, str] | None = None
    ) -> aiohttp.ClientResponse:
        try:
            return await self._session.request(
                method, URL(url, encoded=True), headers=headers, data=form, ssl=self._ssl, timeout=self._timeout,
                allow_redirects=False, proxy=self.endpoint.proxy or _environment_proxy(url),
            )  # fmt: skip
        except (aiohttp.ClientError, TimeoutError, OSError) as e:
            raise network_fault(method, url, e) from e

    async def _ask(
        self, method: str, url: str, headers: dict[str, str], form: dict[str, str] | None
    ) -> tuple[int, str, bytes]:
        response = await self._send(method, url, headers, form)
        async with response:
            return response.status, response.reason or "", await _body(response, MAX_DOCUMENT)


async def _body(response: aiohttp.ClientResponse, limit: int) -> bytes:
    raw = bytearray()
    try:
        async for chunk in response.content.iter_any():
            raw += chunk
            if len(raw) > limit:
                raise RegistryError(f"document at {response.url} is larger than the {limit} bytes allowed")
    except (aiohttp.ClientError, TimeoutError, OSError) as e:
        raise broken_body(e) from e
    return bytes(raw)


async def _said(response: aiohttp.ClientResponse) -> bytes:
    try:
        return await _body(response, 64 << 10)
    except RegistryError:
        return b""


def _origin(url: str) -> tuple[str, str]:
    split = urlsplit(url)
    return split.scheme, split.netloc


def _environment_proxy(url: str) -> str | None:
    split = urlsplit(url)
    proxies = getproxies()
    if split.scheme not in proxies or is_local(split.netloc) or proxy_bypass(split.hostname or ""):
        return None
    return proxies[split.scheme]
