"""Merging an applied object into the live one, and taking fields out of an object."""

from __future__ import annotations

from typing import Any

from sampan.api.patch.apply.fieldset import FieldSet, is_member, item_element
from sampan.api.patch.shape import ATOMIC, DEDUCED, LIST_MAP, LIST_SET, SCALAR, UNTYPED, Shape

_ABSENT: Any = object()


def merge(shape: Shape, live: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    """The live object with everything that the applied one says."""
    merged: dict[str, Any] = _merge(shape, live, config)
    return merged


def _merge(shape: Shape, live: Any, config: Any) -> Any:
    if config is _ABSENT:
        return live
    kind = shape.kind
    if kind in (SCALAR, ATOMIC):
        return config
    if kind in (LIST_MAP, LIST_SET):
        return _merge_lists(shape, live, config)
    if kind == UNTYPED:
        if not (isinstance(live, dict) and isinstance(config, dict)):
            return config
        shape = DEDUCED
    old = live if isinstance(live, dict) else {}
    new = config if isinstance(config, dict) else {}
    if not old and not new:
        return config
    out = dict(old)
    for name, value in new.items():
        out[name] = _merge(shape.child(name) or DEDUCED, old.get(name, _ABSENT), value)
    return out


def _merge_lists(shape: Shape, live: Any, config: Any) -> Any:
    old = live if isinstance(live, list) else []
    new = config if isinstance(config, list) else []
    if not old and not new:
        return config
    left = [item_element(shape, item) for item in old]
    right = [item_element(shape, item) for item in new]
    # An element that the live list has twice is not merged into: the applied one replaces it.
    theirs: dict[str, Any] = {}
    for element, item in zip(left, old, strict=True):
        theirs[element] = None if element in theirs else item
    mine = dict(zip(right, new, strict=True))
    child = shape.item or DEDUCED
    out = []
    for element, index in _order(left, right):
        if index is not None:
            out.append(old[index])
        else:
            out.append(_merge(child, theirs.get(element, _ABSENT), mine[element]))
    return out


def _order(left: list[str], right: list[str]) -> list[tuple[str, int | None]]:
    """The merged order: the applied order rules, and an item that only the live list has keeps its neighbours.

    Answers elements with their place in `left` for those that are only there.
    """
    on_left, on_right = set(left), set(right)
    shared = [e for e in right if e in on_left]
    order: list[tuple[str, int | None]] = []
    taken: set[str] = set()
    at_left = at_right = at_shared = 0
    while at_left < len(left) or at_right < len(right):
        if at_left < len(left):
            element = left[at_left]
            if element not in on_right:
                order.append((element, at_left))
                at_left += 1
                continue
            awaited = shared[at_shared] if at_shared < len(shared) else None
            if element in taken or (at_right < len(right) and awaited is not None and awaited != element):
                at_left += 1
                continue
        if at_right < len(right):
            element = right[at_right]
            order.append((element, None))
            taken.add(element)
            at_right += 1
            if at_shared < len(shared) and shared[at_shared] == element:
                at_shared += 1
    return order


_GONE: Any = object()


def without(shape: Shape, value: dict[str, Any], fields: FieldSet) -> dict[str, Any]:
    """The object without the members of a set. A list or map that loses everything but is no member stays, empty."""
    left: dict[str, Any] = _without(shape, value, fields) if fields else value
    return left


def _without(shape: Shape, value: Any, fields: FieldSet) -> Any:
    kind = shape.kind
    if kind == SCALAR or not value:
        return value
    if isinstance(value, dict) and kind != ATOMIC:
        out = {}
        for name, inner in value.items():
            node = fields.get("f:" + name)
            left = inner
            if node is not None:
                left = _GONE if is_member(node) else _without(shape.child(name) or DEDUCED, inner, node)
            if left is not _GONE:
                out[name] = left
        return out
    if isinstance(value, list) and kind in (LIST_MAP, LIST_SET):
        kept = []
        for item in value:
            node = fields.get(item_element(shape, item))
            left = item
            if node is not None:
                left = _GONE if is_member(node) else _without(shape.item or DEDUCED, item, node)
            if left is not _GONE:
                kept.append(left)
        return kept
    return _GONE if kind == ATOMIC else value
