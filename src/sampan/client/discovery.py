"""What a server serves: discovery read into `ResourceInfo` rows, aggregated where the server can, else group by group.

`reading` is the whole conversation without any I/O: it yields paths and is sent bodies. `discover` and `discover_sync`
carry it out. Look-ups by the words that people type are `sampan.client.resources`.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import msgspec

from sampan.api.errors import ApiError, Gone, NotAcceptable, NotFound
from sampan.api.scheme import ResourceInfo, Subresource

if TYPE_CHECKING:
    from sampan.client.api import Client
    from sampan.client.sync_api import SyncClient

AGGREGATED = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
)


class Discovered(msgspec.Struct):
    """`resources` in the server's order of preference; `failed`: group versions that did not answer, and why."""

    resources: list[ResourceInfo] = []
    failed: dict[str, str] = {}


# Asks for a path; None comes back when the server has no such thing, an ApiError when it could not say.
Reading = Generator[str, "bytes | ApiError | None", Discovered]


def reading() -> Reading:
    found = Discovered([], {})
    core = _json((yield "/api"))
    groups = _json((yield "/apis"))
    for answer in (core, groups):
        if answer.get("kind") == "APIGroupDiscoveryList":
            for group in answer.get("items") or ():
                _add_group(found, group)
    if core.get("kind") != "APIGroupDiscoveryList":
        for version in core.get("versions") or ():
            body = yield f"/api/{version}"
            _add_legacy(found, "", version, body)
    if groups.get("kind") != "APIGroupDiscoveryList":
        for group in groups.get("groups") or ():
            preferred = (group.get("preferredVersion") or {}).get("version")
            versions = [v["version"] for v in group.get("versions") or ()]
            for version in sorted(versions, key=lambda v: v != preferred):
                body = yield f"/apis/{group['name']}/{version}"
                _add_legacy(found, group["name"], version, body)
    return found


async def discover(client: Client) -> Discovered:
    steps = reading()
    try:
        path = next(steps)
        while True:
            answer: bytes | ApiError | None
            try:
                answer = (await client.raw("GET", path, headers={"accept": AGGREGATED})).body
            except (NotFound, NotAcceptable, Gone):
                answer = None
            except ApiError as error:
                answer = error
            path = steps.send(answer)
    except StopIteration as end:
        found: Discovered = end.value
        return found


def discover_sync(client: SyncClient) -> Discovered:
    steps = reading()
    try:
        path = next(steps)
        while True:
            answer: bytes | ApiError | None
            try:
                answer = client.raw("GET", path, headers={"accept": AGGREGATED}).body
            except (NotFound, NotAcceptable, Gone):
                answer = None
            except ApiError as error:
                answer = error
            path = steps.send(answer)
    except StopIteration as end:
        found: Discovered = end.value
        return found


def _json(answer: bytes | ApiError | None) -> dict[str, Any]:
    if isinstance(answer, ApiError):
        raise answer  # without the roots nothing is known at all
    data = msgspec.json.decode(answer) if answer else {}
    return data if isinstance(data, dict) else {}


def _add_group(found: Discovered, group: dict[str, Any]) -> None:
    name = (group.get("metadata") or {}).get("name") or ""
    for version in group.get("versions") or ():
        label = version.get("version") or ""
        if version.get("freshness") == "Stale":
            found.failed[f"{name}/{label}" if name else label] = "stale GroupVersion discovery"
        for resource in version.get("resources") or ():
            kind = (resource.get("responseKind") or {}).get("kind") or ""
            found.resources.append(
                ResourceInfo(
                    group=name,
                    version=label,
                    resource=resource.get("resource") or "",
                    kind=kind,
                    singular=resource.get("singularResource") or kind.lower(),
                    namespaced=resource.get("scope") == "Namespaced",
                    short_names=tuple(resource.get("shortNames") or ()),
                    categories=tuple(resource.get("categories") or ()),
                    verbs=tuple(resource.get("verbs") or ()),
                    subresources=tuple(_subresource(s, name, label) for s in resource.get("subresources") or ()),
                )
            )


def _subresource(data: dict[str, Any], group: str, version: str) -> Subresource:
    kind = data.get("responseKind") or {}
    return Subresource(
        name=data.get("subresource") or "",
        kind=kind.get("kind") or "",
        verbs=tuple(data.get("verbs") or ()),
        group=kind.get("group") or group,
        version=kind.get("version") or version,
    )


def _add_legacy(found: Discovered, group: str, version: str, body: bytes | ApiError | None) -> None:
    if isinstance(body, ApiError) or body is None:
        found.failed[f"{group}/{version}" if group else version] = str(body or "not found")
        return
    listed: list[dict[str, Any]] = (msgspec.json.decode(body) or {}).get("resources") or []
    parts: dict[str, list[Subresource]] = {}
    for item in listed:
        parent, slash, sub = item["name"].partition("/")
        if slash:
            parts.setdefault(parent, []).append(
                Subresource(
                    name=sub,
                    kind=item.get("kind") or "",
                    verbs=tuple(item.get("verbs") or ()),
                    group=item.get("group") or group,
                    version=item.get("version") or version,
                )
            )
    for item in listed:
        if "/" in item["name"]:
            continue
        kind = item.get("kind") or ""
        found.resources.append(
            ResourceInfo(
                group=group,
                version=version,
                resource=item["name"],
                kind=kind,
                singular=item.get("singularName") or kind.lower(),
                namespaced=bool(item.get("namespaced")),
                short_names=tuple(item.get("shortNames") or ()),
                categories=tuple(item.get("categories") or ()),
                verbs=tuple(item.get("verbs") or ()),
                subresources=tuple(parts.get(item["name"], ())),
            )
        )
