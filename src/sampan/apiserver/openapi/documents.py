"""Whole OpenAPI documents. A document is made when it is first asked for; its address carries its hash for ever."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable
from typing import Any

from sampan.api.scheme import ResourceInfo
from sampan.apiserver.codec import encode
from sampan.apiserver.core import Core
from sampan.apiserver.openapi.custom import published
from sampan.apiserver.openapi.definitions import META, Schema, closure, load, name_of, translate
from sampan.apiserver.openapi.operations import paths_of
from sampan.apiserver.openapi.protobuf import ASKED, MEDIA, document
from sampan.apiserver.request import JSON, Answer, Reply, Request
from sampan.version import GIT_VERSION

_IDENTITY = "x-kubernetes-group-version-kind"
_INFO = {"title": "Kubernetes", "version": GIT_VERSION}
_ALWAYS = ("Status", "DeleteOptions", "Patch", "APIResourceList", "ListMeta", "ObjectMeta", "WatchEvent")


class OpenAPI:
    def __init__(self, core: Core) -> None:
        self.core = core
        self._documents: dict[str, tuple[bytes, str]] = {}
        self._lock = asyncio.Lock()
        core.on_resources_changed.append(self._documents.clear)

    async def index(self, core: Core, request: Request) -> Answer:
        """/openapi/v3: where each group's document is. The hash is of what is served, not of the text."""
        paths = {}
        for group, version in self._versions():
            where = f"apis/{group}/{version}" if group else f"api/{version}"
            paths[where] = {"serverRelativeURL": f"/openapi/v3/{where}?hash={self._fingerprint(group, version)}"}
        body = encode({"paths": paths})
        return _with_etag(request, body + b"\n", hashlib.sha256(body).hexdigest())

    async def group(self, core: Core, request: Request) -> Answer:
        """/openapi/v3/apis/GROUP/VERSION."""
        where = request.path.removeprefix("/openapi/v3/").strip("/")
        if not where:
            return await self.index(core, request)
        parts = where.split("/")
        group, version = (parts[1], parts[2]) if len(parts) == 3 and parts[0] == "apis" else ("", parts[-1])
        if (group, version) not in self._versions() or len(parts) not in (2, 3):
            return Reply(404, b"404 page not found\n", "text/plain; charset=utf-8")
        body, etag = await self._document(where, lambda: self._make_v3(group, version))
        headers = [("Cache-Control", "public, immutable")] if request.param("hash") else []
        return _with_etag(request, body, etag, headers)

    async def v2(self, core: Core, request: Request) -> Answer:
        accept = request.header("accept")
        if MEDIA in accept or ASKED in accept:
            body, etag = await self._document("v2 protobuf", lambda: document(self._v2()))
            return _with_etag(request, body, etag, media=MEDIA)
        body, etag = await self._document("v2", lambda: encode(self._v2()))
        return _with_etag(request, body, etag)

    async def _document(self, key: str, make: Any) -> tuple[bytes, str]:
        async with self._lock:
            found = self._documents.get(key)
            if found is None:
                body: bytes = await asyncio.get_running_loop().run_in_executor(None, make)
                found = self._documents[key] = (body, hashlib.sha256(body).hexdigest())
        return found

    def _versions(self) -> list[tuple[str, str]]:
        return list(dict.fromkeys((i.group, i.version) for i in self.core.scheme))

    def _rows(self, group: str, version: str) -> list[ResourceInfo]:
        return [i for i in list(self.core.scheme) if i.group == group and i.version == version]

    def _fingerprint(self, group: str, version: str) -> str:
        rows = [(i.resource, i.kind, i.verbs, [s.name for s in i.subresources]) for i in self._rows(group, version)]
        custom = [encode(self._custom(i)).decode() for i in self._rows(group, version) if not i.module]
        return hashlib.sha512(encode([GIT_VERSION, rows, custom])).hexdigest().upper()

    def _custom(self, info: ResourceInfo) -> Schema:
        """A custom resource's own schema, as its strategy gives it."""
        endpoint = self.core.endpoint(info.group, info.version, info.resource)
        schema: Schema | None = getattr(endpoint.strategy, "openapi_schema", None) if endpoint else None
        identity = {"group": info.group, "version": info.version, "kind": info.kind}
        return {**(schema or {}), _IDENTITY: [identity]}

    def _make_v3(self, group: str, version: str) -> bytes:
        rows = self._rows(group, version)
        schemas = self._schemas(rows, v3=True)
        paths = {path: item for info in rows for path, item in paths_of(info, v3=True).items()}
        return encode({"openapi": "3.0.0", "info": _INFO, "paths": paths, "components": {"schemas": schemas}})

    def _v2(self) -> dict[str, Any]:
        rows = list(self.core.scheme)
        definitions = self._schemas(rows, v3=False)
        paths = {path: item for info in rows for path, item in paths_of(info, v3=False).items()}
        return {"swagger": "2.0", "info": _INFO, "paths": paths, "definitions": definitions}

    def _schemas(self, rows: Iterable[ResourceInfo], *, v3: bool) -> dict[str, Schema]:
        source = load()
        names, schemas = [META + n for n in _ALWAYS], {}
        for info in rows:
            if info.module:
                names += [name_of(info), name_of(info, info.list_kind)]
                names += [
                    f"io.k8s.api.{s.group.split('.', 1)[0]}.{s.version}.{s.kind}" for s in info.subresources if s.group
                ]
            else:
                schema = self._custom(info)
                identity = {_IDENTITY: schema.pop(_IDENTITY)}
                schemas[name_of(info)] = {**published(schema, source, v3=v3), **identity}
                schemas[name_of(info, info.list_kind)] = _list_schema(info, v3=v3)
        for name in sorted(closure(source, names)):
            schemas[name] = translate(name, source[name], v3=v3)
        return schemas


def _list_schema(info: ResourceInfo, *, v3: bool) -> Schema:
    root = "#/components/schemas/" if v3 else "#/definitions/"
    return {
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"$ref": f"{root}{META}ListMeta"},
            "items": {"type": "array", "items": {"$ref": root + name_of(info)}},
        },
        "x-kubernetes-group-version-kind": [{"group": info.group, "version": info.version, "kind": info.list_kind}],
    }


def _with_etag(
    request: Request, body: bytes, digest: str, headers: Iterable[tuple[str, str]] = (), *, media: str = JSON
) -> Reply:
    etag = f'"{digest.upper()}"'
    sent = [("ETag", etag), ("Vary", "Accept"), *headers]
    if request.header("if-none-match") == etag:
        return Reply(304, b"", media, sent)
    return Reply(200, body, media, sent)
