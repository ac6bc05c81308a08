"""What the server serves, for controllers that work on every kind, custom ones included."""

from __future__ import annotations

from collections.abc import Iterable

from sampan.api.scheme import ResourceInfo
from sampan.client.api import Client, PartialObjectMetadata, ResourceClient
from sampan.client.discovery import Discovered, discover

__all__ = ["Discovered", "deletable", "discover", "metadata_client"]


def deletable(found: Iterable[ResourceInfo], *, verbs: tuple[str, ...] = ("delete", "list")) -> list[ResourceInfo]:
    """One row per resource that can do all of these verbs, in the version that the server prefers."""
    chosen: dict[tuple[str, str], ResourceInfo] = {}
    for info in found:
        if info.kind and all(verb in info.verbs for verb in verbs):
            chosen.setdefault((info.group, info.resource), info)
    return list(chosen.values())


def metadata_client(client: Client, info: ResourceInfo) -> ResourceClient[PartialObjectMetadata]:
    return client.metadata(info.group, info.version, info.resource, kind=info.kind, namespaced=info.namespaced)
