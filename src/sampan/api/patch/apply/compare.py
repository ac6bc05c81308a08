"""Which fields two objects differ in: every ordinary write pays for this, so equal parts are left at C speed."""

from __future__ import annotations

from typing import Any

from sampan.api.patch.apply.fieldset import LEAF, SELF, FieldSet, item_element
from sampan.api.patch.shape import ATOMIC, DEDUCED, LIST_MAP, LIST_SET, MAP, SCALAR, STRUCT, UNTYPED, Shape

_ABSENT: Any = object()
_LEAVES = frozenset((SCALAR, ATOMIC))
_MAPS = frozenset((STRUCT, MAP))
_LISTS = frozenset((LIST_MAP, LIST_SET))

# (set or changed, removed); None stands for nothing.
Difference = tuple[FieldSet | None, FieldSet | None]
_SAME: Difference = (None, None)


def compare(shape: Shape, before: dict[str, Any], after: dict[str, Any]) -> tuple[FieldSet, FieldSet]:
    """The fields that `after` sets or changes, and the fields that it no longer has."""
    changed, removed = _maps(shape, before, after)
    return changed or {}, removed or {}


def present(shape: Shape, value: Any) -> FieldSet:
    """Every field of a value that was not there before, as the node of its own path."""
    kind = shape.kind
    if kind == UNTYPED and isinstance(value, dict):
        kind = MAP
    if kind in _LEAVES or not value:
        return LEAF
    if kind in _MAPS:
        if not isinstance(value, dict):
            return LEAF
        out: FieldSet = {SELF: LEAF}
        fields, item = shape.fields, shape.item
        for name in sorted(value):
            child = fields.get(name) or item or DEDUCED
            inner = value[name]
            out["f:" + name] = LEAF if child.kind == SCALAR or not inner else present(child, inner)
        return out
    if kind in _LISTS:
        if not isinstance(value, list):
            return LEAF
        return {SELF: LEAF, **_items(shape, value)}
    return LEAF


def _items(shape: Shape, items: list[Any]) -> FieldSet:
    child = shape.item or DEDUCED
    if len(items) == 1:
        return {item_element(shape, items[0]): present(child, items[0])}
    found: FieldSet = {}
    for item in items:
        element = item_element(shape, item)
        # An element that appears twice is one leaf: neither item is known apart.
        found[element] = LEAF if element in found else present(child, item)
    return {k: found[k] for k in sorted(found)}


def _values(shape: Shape, before: Any, after: Any) -> Difference:
    if before is after or before == after:
        return _SAME
    kind = shape.kind
    if kind in _LEAVES:
        return LEAF, None
    if kind == UNTYPED:
        return _untyped(before, after)
    if kind in _LISTS:
        return _lists(shape, before, after)
    return _maps(shape, before, after)


def _untyped(before: Any, after: Any) -> Difference:
    if isinstance(before, dict) and isinstance(after, dict):
        return _maps(DEDUCED, before, after)
    # What was below a map goes away; what is below a new map is new; the path itself was changed.
    lost = _below(before) if isinstance(before, dict) else None
    gained = _below(after) if isinstance(after, dict) else None
    return ({SELF: LEAF, **gained} if gained else LEAF), lost


def _below(value: dict[str, Any]) -> FieldSet | None:
    return {k: v for k, v in present(DEDUCED, value).items() if k != SELF} or None


def _maps(shape: Shape, before: Any, after: Any) -> Difference:
    old: dict[str, Any] = before if isinstance(before, dict) else {}
    new: dict[str, Any] = after if isinstance(after, dict) else {}
    if not old and not new:
        return _SAME if before == after else (LEAF, None)
    changed: FieldSet = {}
    removed: FieldSet = {}
    fields, item = shape.fields, shape.item
    for name in sorted(new):
        value = new[name]
        was = old.get(name, _ABSENT)
        child = fields.get(name) or item or DEDUCED
        if was is _ABSENT:
            changed["f:" + name] = LEAF if child.kind == SCALAR or not value else present(child, value)
        elif was is not value and was != value:
            inner, lost = _values(child, was, value)
            if inner is not None:
                changed["f:" + name] = inner
            if lost is not None:
                removed["f:" + name] = lost
    for name in old.keys() - new.keys():
        removed["f:" + name] = present(fields.get(name) or item or DEDUCED, old[name])
    return changed or None, removed or None


def _lists(shape: Shape, before: Any, after: Any) -> Difference:
    old: list[Any] = before if isinstance(before, list) else []
    new: list[Any] = after if isinstance(after, list) else []
    if not old:
        if not new:
            return LEAF, None
        return _items(shape, new), None
    child = shape.item or DEDUCED
    was, now = _grouped(shape, old), _grouped(shape, new)
    changed: FieldSet = {}
    removed: FieldSet = {}
    for element in sorted(was.keys() | now.keys()):
        inner, lost = _element(child, was.get(element, []), now.get(element, []))
        if inner is not None:
            changed[element] = inner
        if lost is not None:
            removed[element] = lost
    return changed or None, removed or None


def _element(child: Shape, old: list[Any], new: list[Any]) -> Difference:
    """One path element, which duplicated items may share."""
    if len(old) <= 1 and len(new) <= 1:
        if not old:
            return present(child, new[0]), None
        if not new:
            return None, present(child, old[0])
        return _values(child, old[0], new[0])
    if len(old) >= 2 and len(new) >= 2:
        return (LEAF, None) if old != new else _SAME
    if len(old) >= 2:
        return (present(child, new[0]) if new else None), LEAF
    return LEAF, (present(child, old[0]) if old else None)


def _grouped(shape: Shape, items: list[Any]) -> dict[str, list[Any]]:
    groups: dict[str, list[Any]] = {}
    for item in items:
        groups.setdefault(item_element(shape, item), []).append(item)
    return groups
