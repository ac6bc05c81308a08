"""OpenAPI schemas as types, and objects as the values that expressions see."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from msgspec import structs

from sampan.apiserver.cel import types, values
from sampan.apiserver.cel.bounds import MOST_BYTES, most_elements
from sampan.apiserver.cel.names import escape
from sampan.apiserver.cel.types import Type
from sampan.apiserver.cel.values import CelError

Schema = dict[str, Any]
_EMBEDDED = "x-kubernetes-embedded-resource"
_EITHER = "x-kubernetes-int-or-string"
_KEEP = "x-kubernetes-preserve-unknown-fields"
_TEXT = types.Type(name="string", most=MOST_BYTES - 2)
_KEY = types.Type(name="string", most=0)  # the length of keys is not counted, as in Kubernetes
_META = types.Type(name="object.metadata", fields={"name": _TEXT, "generateName": _TEXT}, most=0)
_ROOT = {"apiVersion": _TEXT, "kind": _TEXT, "metadata": _META}


def type_of(schema: Schema, *, root: bool = False, name: str = "object") -> Type | None:
    """None for what rules do not see: values without a type, whose fields are kept as they are."""
    found = _type_of(schema, root=root, name=name)
    return structs.replace(found, most=most_elements(schema)) if found is not None else None


def _type_of(schema: Schema, *, root: bool, name: str) -> Type | None:
    if schema.get(_EITHER):
        return types.DYN
    match schema.get("type"):
        case "boolean":
            return types.BOOL
        case "integer":
            return types.INT
        case "number":
            return types.DOUBLE
        case "string":
            return _TEXTS.get(schema.get("format") or "", types.STRING)
        case "array":
            item = type_of(schema.get("items") or {}, name=f"{name}.@idx")
            return types.list_of(item) if item is not None else None
        case "object":
            return _object(schema, root=root or bool(schema.get(_EMBEDDED)), name=name)
    return None


_TEXTS = {"date": types.TIMESTAMP, "date-time": types.TIMESTAMP, "duration": types.DURATION, "byte": types.BYTES}


def _object(schema: Schema, *, root: bool, name: str) -> Type | None:
    additional = schema.get("additionalProperties")
    if isinstance(additional, dict):
        item = type_of(additional, name=f"{name}.@elem")
        return types.map_of(_KEY, item) if item is not None else None
    fields: dict[str, Type] = dict(_ROOT) if root else {}
    for key, child in (schema.get("properties") or {}).items():
        escaped = escape(key)
        found = type_of(child, name=f"{name}.{key}") if escaped is not None else None
        if escaped is not None and found is not None and not (root and key in _ROOT):
            fields[escaped] = found
    if not fields:
        if schema.get(_KEEP) and not schema.get("properties"):
            return types.map_of(types.STRING, types.DYN) if not root else None
        fields = {"": types.DYN}  # an object without fields is still one
    return Type(name=name, fields=fields)


def value_of(value: Any, schema: Schema, *, root: bool = False) -> Any:
    """An object's value with the names, times and lists that its schema gives it."""
    if value is None or schema.get(_EITHER):
        return value
    match value, schema.get("type"):
        case bool(), _:
            return value
        case int() | float(), "number":
            return float(value)
        case float(), "integer":
            return int(value)
        case str(), "string":
            return _text(value, schema.get("format") or "")
        case list(), "array":
            return _list(value, schema)
        case dict(), "object":
            return _fields(value, schema, root=root or bool(schema.get(_EMBEDDED)))
    return value


def _text(value: str, form: str) -> Any:
    try:
        match form:
            case "date-time":
                return values.parse_timestamp(value)
            case "date":
                return values.parse_timestamp(f"{value}T00:00:00Z")
            case "duration":
                return values.parse_duration(value)
            case "byte":
                return base64.b64decode(value)
    except (CelError, binascii.Error) as error:
        raise CelError(f"invalid data, expected {form}: {error}") from None
    return value


def _list(value: list[Any], schema: Schema) -> list[Any]:
    items = schema.get("items") or {}
    found = [value_of(v, items) for v in value]
    match schema.get("x-kubernetes-list-type"):
        case "set":
            return values.SetList(found)
        case "map":
            keyed = values.MapList(found)
            keyed.keys = tuple(escape(k) or k for k in schema.get("x-kubernetes-list-map-keys") or ())
            return keyed
    return found


def _fields(value: dict[str, Any], schema: Schema, *, root: bool) -> dict[str, Any]:
    additional = schema.get("additionalProperties")
    if isinstance(additional, dict):
        return {k: value_of(v, additional) for k, v in value.items()}
    properties = schema.get("properties") or {}
    if not properties and schema.get(_KEEP):
        return value
    found = {}
    for key, item in value.items():
        escaped = escape(key)
        if escaped is None:
            continue
        if root and key in ("apiVersion", "kind"):
            found[key] = item
        elif root and key == "metadata":
            found[key] = {k: v for k, v in item.items() if k in ("name", "generateName")}
        elif key in properties:
            found[escaped] = value_of(item, properties[key])
    return found
