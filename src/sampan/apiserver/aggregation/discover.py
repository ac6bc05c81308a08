"""What another API server serves: its APIResourceList, as rows of ours. Pure but for the asking."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from sampan.api.scheme import ResourceInfo, Subresource
from sampan.api.types.apiregistration_v1 import APIService
from sampan.apiserver.aggregation.proxy import Backends, identity_headers
from sampan.apiserver.contracts import MASTERS, User

_ASKER = User(name="system:kube-aggregator", groups=(MASTERS,))
_SECONDS = 5.0
_MAX = 4 * 1024 * 1024


class CannotDiscover(Exception):
    """It did not say what it serves."""


async def resources_of(backends: Backends, service: APIService) -> list[ResourceInfo]:
    """Raises `ApiError`, `CannotDiscover`."""
    group, version = service.spec.group or "", service.spec.version or ""
    path = f"/apis/{group}/{version}"
    try:
        async with asyncio.timeout(_SECONDS):
            connection = await backends.dial(service)
            try:
                headers = [*identity_headers(_ASKER), ("Accept", "application/json"), ("Connection", "close")]
                answered = await connection.ask("GET", path, headers)
                body = await connection.read_body(answered, _MAX)
            finally:
                connection.close()
    except TimeoutError:
        raise CannotDiscover(f"failing or missing response from {path}: i/o timeout") from None
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
        raise CannotDiscover(f"failing or missing response from {path}: {error}") from None
    if answered.status != 200:
        raise CannotDiscover(f"failing or missing response from {path}: bad status from {path}: {answered.status}")
    try:
        return rows(group, version, msgspec.json.decode(body))
    except (msgspec.DecodeError, AttributeError, TypeError, KeyError) as error:
        raise CannotDiscover(f"failing or missing response from {path}: {error}") from None


def rows(group: str, version: str, listed: dict[str, Any]) -> list[ResourceInfo]:
    parts: dict[str, list[Subresource]] = {}
    for entry in listed.get("resources") or ():
        resource, slash, part = str(entry["name"]).partition("/")
        if slash:
            found = Subresource(
                name=part,
                kind=str(entry["kind"]),
                verbs=tuple(entry.get("verbs") or ()),
                group=str(entry.get("group", "")),
                version=str(entry.get("version", "")),
            )
            parts.setdefault(resource, []).append(found)
    return [
        ResourceInfo(
            group=group,
            version=version,
            resource=str(entry["name"]),
            kind=str(entry["kind"]),
            singular=str(entry.get("singularName", "")),
            namespaced=bool(entry.get("namespaced")),
            verbs=tuple(entry.get("verbs") or ()),
            short_names=tuple(entry.get("shortNames") or ()),
            categories=tuple(entry.get("categories") or ()),
            subresources=tuple(parts.get(str(entry["name"]), ())),
        )
        for entry in listed.get("resources") or ()
        if "/" not in str(entry["name"])
    ]
