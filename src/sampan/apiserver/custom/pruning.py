"""Fields that a structural schema does not know go, defaults that it gives come. Pure, on plain values."""

from __future__ import annotations

import copy
from typing import Any

Schema = dict[str, Any]
PRESERVE, EMBEDDED = "x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"
_ALWAYS = frozenset(("apiVersion", "kind", "metadata"))


def unknown_fields(value: Any, schema: Schema, path: str = "", *, root: bool = True) -> list[str]:
    """Paths of what pruning would drop."""
    found: list[str] = []
    _walk(value, schema, path, found, drop=False, root=root)
    return found


def prune(value: Any, schema: Schema) -> None:
    """In place."""
    _walk(value, schema, "", [], drop=True, root=True)


def _walk(value: Any, schema: Schema, path: str, found: list[str], *, drop: bool, root: bool) -> None:
    if isinstance(value, list):
        items = schema.get("items")
        if isinstance(items, dict):
            for at, item in enumerate(value):
                _walk(item, items, f"{path}[{at}]", found, drop=drop, root=False)
        return
    if not isinstance(value, dict):
        return
    properties: dict[str, Schema] = schema.get("properties") or {}
    additional = schema.get("additionalProperties")
    keeps = bool(schema.get(PRESERVE))
    whole = root or bool(schema.get(EMBEDDED))
    for name in list(value):
        where = f"{path}.{name}" if path else name
        if whole and name in _ALWAYS:
            continue
        if name in properties:
            _walk(value[name], properties[name], where, found, drop=drop, root=False)
        elif isinstance(additional, dict):
            _walk(value[name], additional, where, found, drop=drop, root=False)
        elif additional is True or keeps:
            continue
        else:
            found.append(where)
            if drop:
                del value[name]


def default(value: Any, schema: Schema) -> None:
    """In place; a null where the schema has a default and is not nullable counts as absent."""
    if isinstance(value, list):
        items = schema.get("items")
        if isinstance(items, dict):
            for item in value:
                default(item, items)
        return
    if not isinstance(value, dict):
        return
    properties: dict[str, Schema] = schema.get("properties") or {}
    for name, child in properties.items():
        there = value.get(name)
        absent = name not in value or (there is None and not child.get("nullable"))
        if absent and "default" in child:
            value[name] = copy.deepcopy(child["default"])
        if name in value:
            default(value[name], child)
    additional = schema.get("additionalProperties")
    if isinstance(additional, dict):
        for name, item in value.items():
            if name not in properties:
                default(item, additional)
