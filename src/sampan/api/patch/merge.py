"""JSON Merge Patch (RFC 7386): null removes, maps merge, everything else replaces."""

from __future__ import annotations

from typing import Any

from sampan.api.patch.failures import undecodable
from sampan.api.patch.values import equal


def apply(target: Any, patch: Any) -> Any:
    """The patched value."""
    if not isinstance(patch, dict):
        return patch
    out = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
        else:
            out[key] = apply(out.get(key), value)
    return out


def apply_to_object(target: dict[str, Any], patch: Any) -> dict[str, Any]:
    """The patched object; BadRequest when the patch is not an object."""
    if not isinstance(patch, dict):
        if patch is None:
            return target
        raise undecodable(patch, "map[string]interface {}")
    patched: dict[str, Any] = apply(target, patch)
    return patched


def create(original: dict[str, Any], modified: dict[str, Any]) -> dict[str, Any]:
    """The patch that makes `original` into `modified`."""
    patch: dict[str, Any] = {}
    for key, value in modified.items():
        if key not in original:
            patch[key] = value
            continue
        was = original[key]
        if equal(was, value):
            continue
        if isinstance(was, dict) and isinstance(value, dict):
            inner = create(was, value)
            if inner:
                patch[key] = inner
        else:
            patch[key] = value
    for key in original:
        if key not in modified:
            patch[key] = None
    return patch


def combine(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """One patch that does what both do, the second on top; its nulls stay."""
    out = dict(first)
    for key, value in second.items():
        was = out.get(key)
        out[key] = combine(was, value) if isinstance(was, dict) and isinstance(value, dict) else value
    return out
