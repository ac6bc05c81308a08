"""The annotation in which client-side apply remembers what it applied, and the patches made with it."""

from __future__ import annotations

import copy
from typing import Any

import msgspec

from sampan.api.scheme import BUILT_IN_SCHEME, ResourceInfo
from sampan.cli.printers.json import compact

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def text(obj: dict[str, Any]) -> str | None:
    return ((obj.get("metadata") or {}).get("annotations") or {}).get(LAST_APPLIED)


def original(obj: dict[str, Any]) -> dict[str, Any]:
    """What was applied last; {} when nobody knows."""
    said = text(obj)
    found = msgspec.json.decode(said) if said else {}
    return found if isinstance(found, dict) else {}


def with_annotation(obj: dict[str, Any]) -> dict[str, Any]:
    """A copy that remembers itself."""
    made = copy.deepcopy(obj)
    metadata = made.setdefault("metadata", {})
    annotations = metadata.get("annotations")
    plain = dict(annotations) if isinstance(annotations, dict) else {}
    plain.pop(LAST_APPLIED, None)
    metadata["annotations"] = plain
    plain[LAST_APPLIED] = compact(made) + "\n"
    return made


def has_shape(info: ResourceInfo) -> bool:
    return built_in(info) is not None


def built_in(info: ResourceInfo) -> ResourceInfo | None:
    """The scheme's own row, which knows the type; None for a custom resource."""
    return BUILT_IN_SCHEME.resource(info.group, info.version, info.resource)


def three_way(info: ResourceInfo, modified: dict[str, Any], current: dict[str, Any], *, overwrite: bool) -> Any:
    """(patch, its content type)."""
    from sampan.api.patch import threeway
    from sampan.client.calls import MERGE_PATCH, STRATEGIC_PATCH

    row = built_in(info)
    before = original(current)
    if row is None or not row.schema_ref:
        return threeway.create_merge(before, modified, current), MERGE_PATCH
    from sampan.api.patch.shape import built_in as shape_of

    patch = threeway.create(before, modified, current, shape_of(row.schema_ref), overwrite=overwrite)
    return patch, STRATEGIC_PATCH


def two_way(info: ResourceInfo, before: dict[str, Any], after: dict[str, Any]) -> Any:
    """(patch, its content type)."""
    from sampan.api.patch import merge
    from sampan.api.patch import two_way as strategic
    from sampan.client.calls import MERGE_PATCH, STRATEGIC_PATCH

    row = built_in(info)
    if row is None or not row.schema_ref:
        return merge.create(before, after), MERGE_PATCH
    from sampan.api.patch.shape import built_in as shape_of

    return strategic.create(before, after, shape_of(row.schema_ref)), STRATEGIC_PATCH
