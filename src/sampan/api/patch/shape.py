"""What patches know of a type: how each field merges, resolved once and kept as plain attributes.

A `Shape` comes from the generated tables (`built_in`), from a CustomResourceDefinition's schema (`custom`), or is
`DEDUCED` from the values alone: maps are granular, lists are atomic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import Any

import msgspec

from sampan.api.schema import FieldSchema, type_schema

# How apply treats a value. Atomic values (of any JSON type) are owned and replaced as a whole.
SCALAR, STRUCT, MAP, LIST_MAP, LIST_SET, ATOMIC, UNTYPED = range(7)

# The defaults of list-map keys that are more than the zero of a required field.
_BUILT_IN_KEY_DEFAULTS: dict[tuple[str, str], Any] = {
    ("core_v1.ContainerPort", "protocol"): "TCP",
    ("core_v1.ServicePort", "protocol"): "TCP",
    ("core_v1.LocalObjectReference", "name"): "",
}

Resolve = Callable[[], dict[str, "Shape"]]


class Shape:
    """One type of value.

    `fields` are a struct's fields (resolved on first use, because types contain themselves), `item` is the type of list
    items, map values and undeclared fields. `strategy`, `merge_key` and `retain_keys` are strategic merge's.
    """

    __slots__ = (
        "_resolve",
        "fields",
        "item",
        "json_type",
        "key_defaults",
        "key_prefix",
        "keys",
        "kind",
        "merge_key",
        "name",
        "retain_keys",
        "strategy",
        "template",
    )

    fields: dict[str, Shape]
    template: dict[str, Any]

    def __init__(
        self,
        kind: int,
        *,
        name: str = "",
        json_type: str = "",
        resolve: Resolve | None = None,
        item: Shape | None = None,
        keys: tuple[str, ...] = (),
        key_defaults: Mapping[str, Any] | None = None,
        strategy: str = "",
        retain_keys: bool = False,
        merge_key: str = "",
    ) -> None:
        self.kind = kind
        self.name = name
        self.json_type = json_type
        self.item = item
        self.keys = tuple(sorted(keys))
        self.key_defaults = dict(key_defaults or {})
        self.key_prefix = f'k:{{"{keys[0]}":' if len(keys) == 1 else ""
        self.strategy = strategy
        self.retain_keys = retain_keys
        self.merge_key = merge_key
        self._resolve = resolve
        if resolve is None:
            self.fields = {}

    def __getattr__(self, name: str) -> Any:
        """Only reached while a slot is empty: the first look at `fields` or `template` fills it."""
        if name == "fields":
            assert self._resolve is not None
            self.fields = self._resolve()
            return self.fields
        if name == "template":
            self.template = _template(self.name)
            return self.template
        raise AttributeError(name)

    def child(self, name: str) -> Shape | None:
        """The type of a field or of a map's value; None when the struct does not declare it."""
        return self.fields.get(name) or self.item

    def __repr__(self) -> str:
        return f"Shape({self.name or self.kind})"


DEDUCED = Shape(UNTYPED, name="deduced")
_ATOMIC_RAW = Shape(ATOMIC, name="raw")


@cache
def built_in(reference: str) -> Shape:
    """The shape of `core_v1.Pod`."""
    schema = type_schema(reference)
    return Shape(
        ATOMIC if schema.atomic else STRUCT,
        name=reference,
        json_type="map",
        resolve=lambda: {wire: _of_field(f) for wire, f in schema.fields.items()},
    )


@cache
def _of_field(field: FieldSchema) -> Shape:
    strategy = next((s for s in field.patch_strategy if s != "retainKeys"), "")
    retain = "retainKeys" in field.patch_strategy
    if field.kind == "struct":
        whole = built_in(field.ref)
        atomic = whole.kind == ATOMIC or field.map_type == "atomic"
        if not strategy and not retain and atomic == (whole.kind == ATOMIC):
            return whole
        return Shape(
            ATOMIC if atomic else STRUCT,
            name=field.ref,
            json_type="map",
            resolve=lambda: whole.fields,
            strategy=strategy,
            retain_keys=retain,
        )
    if field.kind == "map":
        assert field.item is not None
        kind = ATOMIC if field.map_type == "atomic" else MAP
        return Shape(kind, name="map", json_type="map", item=_of_field(field.item), strategy=strategy)
    if field.kind == "list":
        assert field.item is not None
        kind = {"map": LIST_MAP, "set": LIST_SET}.get(field.list_type, ATOMIC)
        return Shape(
            kind,
            name="list",
            json_type="list",
            item=_of_field(field.item),
            keys=field.list_keys,
            key_defaults=_key_defaults(field.item.ref, field.list_keys),
            strategy=strategy,
            retain_keys=retain,
            merge_key=field.merge_key,
        )
    if field.kind == "raw":
        return _ATOMIC_RAW
    return Shape(SCALAR, name=field.leaf, json_type=_LEAF_TYPES.get(field.leaf.partition(":")[0], "scalar"))


def _key_defaults(item: str, keys: tuple[str, ...]) -> dict[str, Any]:
    """What a key reads as where an item leaves it out: a required field is its zero, as in Go."""
    found: dict[str, Any] = {}
    schema = type_schema(item) if item else None
    for key in keys:
        if (item, key) in _BUILT_IN_KEY_DEFAULTS:
            found[key] = _BUILT_IN_KEY_DEFAULTS[item, key]
        elif schema is not None and key in schema.required:
            found[key] = 0 if schema.fields[key].leaf.startswith("integer") else ""
    return found


# Quantities and int-or-string take any scalar.
_LEAF_TYPES = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "time": "string",
               "microtime": "string"}  # fmt: skip


def custom(schema: Mapping[str, Any] | None) -> Shape:
    """The shape of a custom resource whose version has this `openAPIV3Schema`."""
    if not schema or not schema.get("properties"):
        root: dict[str, Shape] = {}
        rest: Shape | None = DEDUCED
    else:
        root = {name: _of_structural(s) for name, s in schema["properties"].items()}
        rest = DEDUCED if schema.get("x-kubernetes-preserve-unknown-fields") else None
    root.update(_identity())
    return Shape(STRUCT, name="custom", json_type="map", resolve=lambda: root, item=rest)


def _identity() -> dict[str, Shape]:
    text = _of_field(FieldSchema(kind="scalar", leaf="string"))
    return {"apiVersion": text, "kind": text, "metadata": built_in("meta_v1.ObjectMeta")}


def _of_structural(schema: Mapping[str, Any]) -> Shape:
    """One node of a structural schema."""
    if schema.get("x-kubernetes-int-or-string"):
        return Shape(SCALAR, name="intorstr", json_type="scalar")
    kind = schema.get("type")
    if kind == "array":
        items = schema.get("items") or {}
        list_type = schema.get("x-kubernetes-list-type", "atomic")
        keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())
        properties = items.get("properties") or {}
        defaults = {k: properties[k]["default"] for k in keys if "default" in properties.get(k, {})}
        return Shape(
            {"map": LIST_MAP, "set": LIST_SET}.get(list_type, ATOMIC),
            name="list",
            json_type="list",
            item=_of_structural(items),
            keys=keys,
            key_defaults=defaults,
        )
    if kind == "object":
        return _of_structural_object(schema)
    if kind is None:
        return DEDUCED if schema.get("x-kubernetes-preserve-unknown-fields") else _ATOMIC_RAW
    return Shape(SCALAR, name=kind, json_type=_LEAF_TYPES.get(kind, "scalar"))


def _of_structural_object(schema: Mapping[str, Any]) -> Shape:
    atomic = schema.get("x-kubernetes-map-type") == "atomic"
    values = schema.get("additionalProperties")
    if isinstance(values, Mapping):
        return Shape(ATOMIC if atomic else MAP, name="map", json_type="map", item=_of_structural(values))
    fields = {name: _of_structural(s) for name, s in (schema.get("properties") or {}).items()}
    if schema.get("x-kubernetes-embedded-resource"):
        fields.update(_identity())
    open_ended = schema.get("x-kubernetes-preserve-unknown-fields") or values is True
    return Shape(
        ATOMIC if atomic else STRUCT,
        name="object",
        json_type="map",
        resolve=lambda: fields,
        item=DEDUCED if open_ended else None,
    )


# Structs that Go writes although the definitions call them optional.
_ALSO_THERE: dict[str, dict[str, Any]] = {
    "apps_v1.ReplicaSet": {"spec": {"template": {"metadata": {}, "spec": {"containers": None}}}},
    "networking_v1.NetworkPolicy": {"spec": {"podSelector": {}}},
    "core_v1.Event": {"reportingComponent": "", "reportingInstance": ""},
}


def _template(reference: str) -> dict[str, Any]:
    """What an object of this type holds before anybody writes to it; its required lists are null there."""
    module, _, name = reference.partition(".")
    if not name:
        return {}
    empty = getattr(import_module(f"sampan.api.types.{module}"), name)()
    made: dict[str, Any] = _with_null_lists(msgspec.to_builtins(empty))
    for key, value in _ALSO_THERE.get(reference, {}).items():
        made[key] = {**made.get(key, {}), **value} if isinstance(value, dict) else value
    return made


def _with_null_lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _with_null_lists(v) for k, v in value.items()}
    return None if value == [] else value
