"""An applied object: which fields it claims, and whether the schema knows them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sampan.api.goquote import go_value
from sampan.api.patch.apply.fieldset import LEAF, SELF, FieldSet, PathError, element_text, item_element
from sampan.api.patch.shape import ATOMIC, DEDUCED, LIST_MAP, LIST_SET, SCALAR, UNTYPED, Shape


def claimed(shape: Shape, value: Any) -> FieldSet:
    """The root of all fields that this value states. Lists and maps on the way are not claimed, list items are."""
    kind = shape.kind
    if kind in (LIST_MAP, LIST_SET):
        return _claimed_items(shape, value) if isinstance(value, list) else {}
    if not isinstance(value, dict):
        return {}
    out: FieldSet = {}
    for name in sorted(value):
        inner = value[name]
        declared = shape.fields.get(name)
        child = declared or shape.item or DEDUCED
        if _is_leaf(child, inner) or inner is None or inner == {}:
            out["f:" + name] = LEAF
            continue
        below = claimed(child, inner)
        if declared is None:
            out["f:" + name] = {SELF: LEAF, **below} if below else LEAF
        elif below:
            out["f:" + name] = below
    return out


def _claimed_items(shape: Shape, items: list[Any]) -> FieldSet:
    child = shape.item or DEDUCED
    out: FieldSet = {}
    for item in items:
        below = {} if _is_leaf(child, item) else claimed(child, item)
        out[item_element(shape, item)] = {SELF: LEAF, **below} if below else LEAF
    return {k: out[k] for k in sorted(out)}


def _is_leaf(shape: Shape, value: Any) -> bool:
    kind = shape.kind
    return kind in (SCALAR, ATOMIC) or (kind == UNTYPED and not isinstance(value, dict))


def objections(shape: Shape, value: Any, path: str = "", *, duplicates: bool = False) -> Iterator[str]:
    """What the schema has against a value, each with its path; `duplicates` lets list items repeat."""
    if value is None or shape.kind == UNTYPED:
        return
    wrong = _wrong_type(shape.json_type, value)
    if wrong:
        yield f"{path or '.'}: {wrong}"
    elif isinstance(value, dict) and shape.json_type == "map":
        for name in sorted(value):
            child = shape.child(name)
            where = f"{path}.{name}"
            if child is None:
                yield f"{where}: field not declared in schema"
            else:
                yield from objections(child, value[name], where, duplicates=duplicates)
    elif isinstance(value, list) and shape.json_type == "list":
        yield from _list_objections(shape, value, path, duplicates=duplicates)


def _list_objections(shape: Shape, items: list[Any], path: str, *, duplicates: bool) -> Iterator[str]:
    child = shape.item or DEDUCED
    seen: set[str] = set()
    for index, item in enumerate(items):
        where = f"{path}[{index}]"
        if shape.kind in (LIST_MAP, LIST_SET):
            try:
                element = item_element(shape, item)
            except PathError as wrong:
                yield f"{path}: element {index}: {wrong}"
                continue
            where = path + element_text(element)
            if element in seen and not duplicates:
                yield f"{path}: duplicate entries for key {element_text(element)}"
            seen.add(element)
        yield from objections(child, item, where, duplicates=duplicates)


def _wrong_type(wanted: str, value: Any) -> str:
    """The complaint about a JSON type, if it is the wrong one."""
    shown = f"&{{{go_value(value)}}}"
    if wanted == "map":
        return "" if isinstance(value, dict) else f"expected map, got {shown}"
    if wanted == "list":
        return "" if isinstance(value, list) else f"expected list, got {shown}"
    if wanted == "string":
        return "" if isinstance(value, str) else f"expected string, got {shown}"
    if wanted == "boolean":
        return "" if isinstance(value, bool) else f"expected boolean, got {shown}"
    if wanted == "number":
        numeric = isinstance(value, (int, float)) and not isinstance(value, bool)
        return "" if numeric else f"expected numeric (int or float), got {shown}"
    if wanted == "scalar" and isinstance(value, (dict, list)):
        return f"expected scalar, got {shown}"
    return ""


def said(found: list[str]) -> str:
    """Several objections as one message."""
    return found[0] if len(found) == 1 else "\n".join(["errors:", *(f"  {o}" for o in found)])
