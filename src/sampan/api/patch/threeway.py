"""What `kubectl apply` sends: the last applied, the wanted and the live object make one patch.

The patch holds what differs between live and wanted, without deletions, and the deletions between last applied and
wanted: fields that others added to the live object stay.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sampan.api.patch import merge, strategic, two_way
from sampan.api.patch.directives import MARKER
from sampan.api.patch.shape import Shape

JsonMap = dict[str, Any]


class PreconditionFailed(ValueError):
    """The patch would change what must stay (apiVersion, kind, name)."""


class ConflictingChanges(ValueError):
    """Both sides changed the same field, and overwriting was not asked for."""


def create(original: JsonMap, modified: JsonMap, current: JsonMap, shape: Shape, *, overwrite: bool = True) -> JsonMap:
    """The strategic merge patch for a built-in type. `original` is the last applied object ({} if unknown)."""
    delta = two_way.diff_maps(current, modified, shape, two_way.Options(deletions=False))
    deletions = two_way.diff_maps(original, modified, shape, two_way.Options(changes=False))
    patch = strategic.merge_maps(deletions, delta, shape, final=False)
    if not overwrite:
        changed = two_way.diff_maps(original, current, shape, two_way.Options(order=False))
        if _conflict(patch, changed):
            raise ConflictingChanges(
                f"patch:\n{patch}\nconflicts with changes made from original to current:\n{changed}\n"
            )
    return patch


def create_merge(original: JsonMap, modified: JsonMap, current: JsonMap) -> JsonMap:
    """The JSON merge patch for a custom resource."""
    additions = _kept(merge.create(current, modified), nulls=False)
    deletions = _kept(merge.create(original, modified), nulls=True)
    return merge.combine(deletions, additions)


def require_unchanged(patch: JsonMap, keys: Iterable[str] = ("apiVersion", "kind")) -> None:
    """PreconditionFailed when a patch touches a key, or `metadata.name`."""
    metadata = patch.get("metadata")
    touched = [k for k in keys if k in patch]
    if isinstance(metadata, dict) and "name" in metadata:
        touched.append("metadata.name")
    if touched:
        raise PreconditionFailed(f"precondition failed for: {', '.join(touched)}")


def _kept(patch: JsonMap, *, nulls: bool) -> JsonMap:
    """Only the deletions of a merge patch, or only the rest."""
    out: JsonMap = {}
    for key, value in patch.items():
        if isinstance(value, dict):
            inner = _kept(value, nulls=nulls)
            # An empty map that is wanted is an addition, not a map that lost its deletions.
            if inner or (not nulls and not value):
                out[key] = inner
        elif (value is None) is nulls:
            out[key] = value
    return out


def _conflict(left: Any, right: Any) -> bool:
    """Whether two patches set the same field to different values."""
    if isinstance(left, dict) and isinstance(right, dict):
        if left.get(MARKER) != right.get(MARKER):
            return True
        return any(_conflict(v, right[k]) for k, v in left.items() if k in right and not k.startswith("$"))
    if isinstance(left, list) and isinstance(right, list):
        return left != right
    return bool(left != right)
