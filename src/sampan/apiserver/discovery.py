"""What is served, as clients ask: /api, /apis, each group and version, and all at once (aggregated, v2) with an ETag.

Everything is made once and again after a custom resource came or went.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import Any

from sampan.api.scheme import ResourceInfo
from sampan.apiserver.codec import encode
from sampan.apiserver.core import Core
from sampan.apiserver.negotiation import accepted, render
from sampan.apiserver.request import Answer, Reply, Request
from sampan.apiserver.routing import not_served

_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


class Discovery:
    def __init__(self, core: Core, *, address: str) -> None:
        self.core = core
        self.address = address
        self._aggregated: dict[bool, tuple[bytes, str]] = {}
        core.on_resources_changed.append(self._aggregated.clear)

    async def root(self, core: Core, request: Request) -> Answer:
        paths = {
            "/api",
            "/api/v1",
            "/apis",
            "/apis/",
            "/healthz",
            "/livez",
            "/metrics",
            "/openapi/v2",
            "/openapi/v3",
            "/openapi/v3/",
            "/readyz",
            "/version",
            "/.well-known/openid-configuration",
            "/openid/v1/jwks",
            "/healthz/ping",
            "/livez/ping",
            "/readyz/ping",
        }
        paths |= {f"/{path}/{step}" for path in ("healthz", "livez", "readyz") for step in ("etcd", *core.started)}
        for info in self.core.scheme:
            if info.group:
                paths |= {f"/apis/{info.group}", f"/apis/{info.group}/{info.version}"}
        return _reply(request, {"paths": sorted(paths)})

    async def api(self, core: Core, request: Request) -> Answer:
        if _wants_aggregated(request):
            return self._aggregate(request, legacy=True)
        versions = {
            "kind": "APIVersions",
            "versions": ["v1"],
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": self.address}],
        }
        return _reply(request, versions)

    async def apis(self, core: Core, request: Request) -> Answer:
        if _wants_aggregated(request):
            return self._aggregate(request, legacy=False)
        groups = [_group(name, versions) for name, versions in self._groups().items() if name]
        return _reply(request, {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})

    async def core_version(self, core: Core, request: Request) -> Answer:
        """/api/v1."""
        parts = request.path.strip("/").split("/")
        if len(parts) == 1:
            return await self.api(core, request)
        if parts[1:] != ["v1"]:
            raise not_served()
        return _reply(request, self._resources("", "v1"))

    async def group(self, core: Core, request: Request) -> Answer:
        """/apis/GROUP and /apis/GROUP/VERSION."""
        parts = request.path.strip("/").split("/")
        groups = self._groups()
        if len(parts) == 1:
            return await self.apis(core, request)
        if len(parts) == 2:
            versions = groups.get(parts[1])
            if versions is None:
                return Reply(404, b"404 page not found\n", "text/plain; charset=utf-8")
            return _reply(request, {"kind": "APIGroup", "apiVersion": "v1", **_group(parts[1], versions)})
        if parts[2] not in groups.get(parts[1], ()):
            raise not_served()
        return _reply(request, self._resources(parts[1], parts[2]))

    def _groups(self) -> dict[str, list[str]]:
        groups: dict[str, list[str]] = {}
        for info in self.core.scheme:
            versions = groups.setdefault(info.group, [])
            if info.version not in versions:
                versions.append(info.version)
        return {name: _by_priority(versions) for name, versions in groups.items()}

    def _rows(self, group: str, version: str) -> list[ResourceInfo]:
        rows = [i for i in self.core.scheme if i.group == group and i.version == version]
        return sorted(rows, key=lambda i: i.resource)

    def _resources(self, group: str, version: str) -> dict[str, Any]:
        resources: list[dict[str, Any]] = []
        for info in self._rows(group, version):
            row: dict[str, Any] = {
                "name": info.resource,
                "singularName": info.singular,
                "namespaced": info.namespaced,
                "kind": info.kind,
                "verbs": list(info.verbs),
            }
            if info.short_names:
                row["shortNames"] = list(info.short_names)
            if info.categories:
                row["categories"] = list(info.categories)
            if "list" in info.verbs and info.resource != "componentstatuses":
                row["storageVersionHash"] = storage_version_hash(info)
            resources.append(row)
            for part in info.subresources:
                entry: dict[str, Any] = {
                    "name": f"{info.resource}/{part.name}",
                    "singularName": "",
                    "namespaced": info.namespaced,
                }
                if part.group:
                    entry |= {"group": part.group, "version": part.version}
                resources.append(entry | {"kind": part.kind, "verbs": list(part.verbs)})
        listed: dict[str, Any] = {"kind": "APIResourceList"}
        if group:
            listed["apiVersion"] = "v1"
        return listed | {"groupVersion": f"{group}/{version}" if group else version, "resources": resources}

    def _aggregate(self, request: Request, *, legacy: bool) -> Reply:
        made = self._aggregated.get(legacy)
        if made is None:
            made = self._aggregated[legacy] = self._make_aggregated(legacy=legacy)
        body, etag = made
        headers = [("ETag", etag), ("Vary", "Accept")]
        if request.header("if-none-match") == etag:
            return Reply(304, b"", _AGGREGATED, headers)
        return Reply(200, body, _AGGREGATED, headers)

    def _make_aggregated(self, *, legacy: bool) -> tuple[bytes, str]:
        items = []
        for name, versions in self._groups().items():
            if bool(name) == legacy:
                continue
            rows = [
                {"version": v, "resources": [_aggregated_row(i) for i in self._rows(name, v)], "freshness": "Current"}
                for v in versions
            ]
            items.append({"metadata": {"name": name} if name else {}, "versions": rows})
        listed = {
            "kind": "APIGroupDiscoveryList",
            "apiVersion": "apidiscovery.k8s.io/v2",
            "metadata": {},
            "items": items,
        }
        body = encode(listed) + b"\n"
        return body, f'"{hashlib.sha512(body).hexdigest().upper()}"'


def _wants_aggregated(request: Request) -> bool:
    accept = request.header("accept")
    if "APIGroupDiscoveryList" not in accept:
        return False
    first = next((c for c in accept.split(",") if "application/json" in c), "")
    return "as=APIGroupDiscoveryList" in first and "g=apidiscovery.k8s.io" in first and "v=v2;" in first.strip() + ";"


def _aggregated_row(info: ResourceInfo) -> dict[str, Any]:
    row: dict[str, Any] = {
        "resource": info.resource,
        "responseKind": {"group": "", "version": "", "kind": info.kind},
        "scope": "Namespaced" if info.namespaced else "Cluster",
        "singularResource": info.singular,
        "verbs": list(info.verbs),
    }
    if info.short_names:
        row["shortNames"] = list(info.short_names)
    if info.categories:
        row["categories"] = list(info.categories)
    if info.subresources:
        row["subresources"] = [
            {
                "subresource": part.name,
                "responseKind": {"group": part.group, "version": part.version, "kind": part.kind},
                "verbs": list(part.verbs),
            }
            for part in info.subresources
        ]
    return row


def _group(name: str, versions: Sequence[str]) -> dict[str, Any]:
    listed = [{"groupVersion": f"{name}/{v}", "version": v} for v in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def _by_priority(versions: list[str]) -> list[str]:
    """v2 before v1 before v1beta1, as versions of one group are offered."""
    return sorted(versions, key=_priority, reverse=True)


def _priority(version: str) -> tuple[int, int, int, str]:
    import re

    match = re.fullmatch(r"v(\d+)(?:(alpha|beta)(\d+))?", version)
    if match is None:
        return (0, 0, 0, version)
    stage = {None: 3, "beta": 2, "alpha": 1}[match[2]]
    return (stage, int(match[1]), int(match[3] or 0), version)


# Where Kubernetes stores a kind in another version than it is served in.
_STORED_IN = {
    "events.events.k8s.io": ("", "v1"),
    "horizontalpodautoscalers.autoscaling": ("autoscaling", "v2"),
    "customresourcedefinitions.apiextensions.k8s.io": ("apiextensions.k8s.io", "v1beta1"),
    "mutatingadmissionpolicies.admissionregistration.k8s.io": ("admissionregistration.k8s.io", "v1beta1"),
    "mutatingadmissionpolicybindings.admissionregistration.k8s.io": ("admissionregistration.k8s.io", "v1beta1"),
}


def storage_version_hash(info: ResourceInfo) -> str:
    group, version = _STORED_IN.get(info.qualified, (info.group, info.version))
    digest = hashlib.sha256(f"{group}/{version}/{info.kind}".encode()).digest()
    return base64.b64encode(digest[:8]).decode()


def _reply(request: Request, body: dict[str, Any]) -> Reply:
    choice = accepted(request.header("accept").replace(";g=apidiscovery.k8s.io", ""))
    return Reply(200, render(encode(body) + b"\n", choice.media), choice.media)
