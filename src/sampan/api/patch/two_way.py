"""The strategic merge patch that makes one object into another: what `kubectl label`, `edit` and `apply` send."""

from __future__ import annotations

from typing import Any, NamedTuple

from sampan.api.goquote import go_value
from sampan.api.patch.directives import (
    DELETE,
    DELETE_FROM_LIST,
    MARKER,
    MERGE,
    REPLACE,
    RETAIN_KEYS,
    SET_ORDER,
    field_shape,
    holds_maps,
    identity,
    item_shape,
    merge_value,
)
from sampan.api.patch.failures import plain
from sampan.api.patch.ordering import sort_by
from sampan.api.patch.shape import Shape
from sampan.api.patch.values import equal

JsonMap = dict[str, Any]


class Options(NamedTuple):
    """Which half of a difference is wanted."""

    changes: bool = True
    deletions: bool = True
    order: bool = True


def create(original: JsonMap, modified: JsonMap, shape: Shape) -> JsonMap:
    """The patch; empty when there is nothing to change."""
    return diff_maps(original, modified, shape, Options())


def diff_maps(original: JsonMap, modified: JsonMap, shape: Shape, options: Options, *, retain: bool = False) -> JsonMap:
    patch: JsonMap = {}
    for key in sorted(modified):
        value = modified[key]
        if key not in original:
            if options.changes:
                patch[key] = value
        elif key == MARKER:
            _diff_marker(original[key], value, patch)
        else:
            _diff_field(patch, key, original[key], value, shape, options)
    if options.deletions:
        patch.update((key, None) for key in sorted(original) if key not in modified)
    if retain:
        listed = sorted(k for k, v in modified.items() if v is not None)
        cleared = any(v is not None and k not in modified for k, v in original.items())
        if listed and (patch or cleared):
            patch[RETAIN_KEYS] = listed
    return patch


def _diff_marker(was: Any, value: Any, patch: JsonMap) -> None:
    if not isinstance(was, str) or not isinstance(value, str):
        raise plain(f"invalid value for special key: {MARKER}")
    if was != value:
        patch[MARKER] = value


def _diff_field(patch: JsonMap, key: str, was: Any, value: Any, shape: Shape, options: Options) -> None:
    if isinstance(was, dict) and isinstance(value, dict):
        if equal(was, value):
            return
        child = field_shape(shape, key)
        if child.strategy == REPLACE:
            if options.changes:
                patch[key] = value
            return
        inner = diff_maps(was, value, child, options, retain=child.retain_keys)
        if inner:
            patch[key] = inner
    elif isinstance(was, list) and isinstance(value, list) and not equal(was, value):
        child = field_shape(shape, key)
        if child.strategy == MERGE:
            _diff_lists(patch, key, was, value, child, options)
        elif options.changes:
            patch[key] = value
    elif options.changes and not equal(was, value):
        patch[key] = value


def _diff_lists(patch: JsonMap, key: str, was: list[Any], value: list[Any], shape: Shape, options: Options) -> None:
    if not was:
        if options.changes:
            patch[key] = value
        return
    if holds_maps(was, value):
        changed, doomed = _diff_items(was, value, shape, options)
        listed = sort_by(changed, value, shape.merge_key) + doomed
        if listed:
            patch[key] = listed
        reordered = [merge_value(i, shape.merge_key) for i in was] != [merge_value(i, shape.merge_key) for i in value]
        order = [{shape.merge_key: i[shape.merge_key]} for i in value]
        wanted = (options.changes and (bool(listed) or reordered)) or (options.deletions and bool(listed))
    else:
        added, doomed = _diff_scalars(was, value, options)
        if added:
            patch[key] = sort_by(added, value, "")
        if doomed:
            patch[f"{DELETE_FROM_LIST}/{key}"] = doomed
        order = value
        wanted = options.changes or (options.deletions and bool(doomed))
    if options.order and wanted and order:
        patch[f"{SET_ORDER}/{key}"] = order


def _diff_items(
    was: list[Any], value: list[Any], shape: Shape, options: Options
) -> tuple[list[JsonMap], list[JsonMap]]:
    """Changed and added items, and the directives that delete items."""
    merge_key = shape.merge_key
    if not merge_key:
        raise plain("cannot merge lists without merge key for type struct")
    before = {_sort_key(merge_value(i, merge_key)): i for i in was}
    after = {_sort_key(merge_value(i, merge_key)): i for i in value}
    changed, doomed = [], []
    for known in sorted(before.keys() | after.keys()):
        if known not in after:
            if options.deletions:
                doomed.append({merge_key: before[known][merge_key], MARKER: DELETE})
        elif known not in before:
            if options.changes:
                changed.append(after[known])
        else:
            inner = diff_maps(before[known], after[known], item_shape(shape), options, retain=shape.retain_keys)
            if inner:
                changed.append({**inner, merge_key: after[known][merge_key]})
    return changed, doomed


def _diff_scalars(was: list[Any], value: list[Any], options: Options) -> tuple[list[Any], list[Any]]:
    before = {_sort_key(identity(v)): v for v in was}
    after = {_sort_key(identity(v)): v for v in value}
    added = [after[k] for k in sorted(after) if k not in before] if options.changes else []
    doomed = [before[k] for k in sorted(before) if k not in after] if options.deletions else []
    return added, doomed


def _sort_key(known: Any) -> str:
    """Keys are told apart, and sorted, by how they print."""
    return go_value(known[1] if isinstance(known, tuple) else known)
