"""A registry of our own making, for what the real one cannot be told to do: bearer tokens, redirects, odd answers."""

from __future__ import annotations

import base64
import json
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs

from aiohttp import web


@dataclass
class FakeRegistry:
    """Serves an OCI layout as `app:1`. What it does is set by its fields."""

    layout: Path
    tokens: bool = False  # bearer tokens are asked for
    users: dict[str, str] = field(default_factory=dict)  # who gets one; empty: everybody
    refresh: str = ""  # the identity token that is taken
    redirect_to: str = ""  # where blobs are
    redirect_manifests_to: str = ""
    ranges: bool = True
    head_digest: bool = True
    too_many: int = 0  # answers of 429 to give first
    tls: ssl.SSLContext | None = None
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    host: str = ""
    _runner: web.AppRunner | None = None

    async def __aenter__(self) -> FakeRegistry:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self.tls)
        await site.start()
        assert self._runner.addresses
        self.host = f"127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    def asked(self, part: str) -> list[dict[str, str]]:
        return [headers for _, path, headers in self.seen if part in path]

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append((request.method, request.path_qs, dict(request.headers)))
        if self.too_many:
            self.too_many -= 1
            return web.Response(status=429, headers={"Retry-After": "7"})
        if request.path == "/token":
            return await self._token(request)
        if (
            self.tokens
            and request.headers.get("Authorization") != "Bearer good"
            and "/blobs-elsewhere/" not in request.path
        ):
            error = ',error="insufficient_scope"' if "Authorization" in request.headers else ""
            challenge = f'Bearer realm="http://{self.host}/token",service="fake",scope="repository:app:pull"{error}'
            return web.Response(status=401, headers={"WWW-Authenticate": challenge})
        kind, _, name = request.path.rpartition("/")
        if kind.endswith("/manifests"):
            if self.redirect_manifests_to:
                raise web.HTTPTemporaryRedirect(f"http://{self.redirect_manifests_to}{request.path}")
            return self._manifest(name)
        if kind.endswith("/blobs") and self.redirect_to:
            raise web.HTTPTemporaryRedirect(f"http://{self.redirect_to}/blobs-elsewhere/{name}")
        return self._blob(request, name)

    async def _token(self, request: web.Request) -> web.Response:
        if request.method == "POST":
            form = parse_qs((await request.read()).decode())
            good = form.get("refresh_token") == [self.refresh] and form.get("grant_type") == ["refresh_token"]
            return web.json_response({"access_token": "good"} if good else {}, status=200 if good else 401)
        if self.users:
            packed = request.headers.get("Authorization", "").removeprefix("Basic ")
            user, _, password = base64.b64decode(packed).decode().partition(":")
            if not user:
                return web.json_response({"token": "anonymous"})
            if self.users.get(user) != password:
                details = {"errors": [{"code": "UNAUTHORIZED", "message": "incorrect username or password"}]}
                return web.json_response(details, status=401)
        return web.json_response({"token": "good"})

    def _manifest(self, name: str) -> web.Response:
        described = json.loads((self.layout / "index.json").read_text())["manifests"][0]
        if name not in ("1", described["digest"]):
            return web.json_response({"errors": [{"code": "MANIFEST_UNKNOWN", "message": "unknown"}]}, status=404)
        raw = (self.layout / "blobs/sha256" / described["digest"][7:]).read_bytes()
        headers = {"Docker-Content-Digest": described["digest"]} if self.head_digest else {}
        return web.Response(body=raw, content_type=described["mediaType"], headers=headers)

    def _blob(self, request: web.Request, name: str) -> web.Response:
        raw = (self.layout / "blobs/sha256" / name[7:]).read_bytes()
        wanted = request.headers.get("Range", "")
        if wanted and self.ranges:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            headers = {"Content-Range": f"bytes {start}-{len(raw) - 1}/{len(raw)}"}
            return web.Response(status=206, body=raw[start:], headers=headers)
        return web.Response(body=raw)
