"""What a patch makes of an object in the fake server. The real thing, with all its rules, is `sampan.api.patch`."""

from __future__ import annotations

from typing import Any

import msgspec

from sampan.api.errors import Invalid, UnsupportedMediaType
from sampan.api.schema import FieldSchema, TypeSchema, type_schema
from sampan.api.scheme import ResourceInfo
from sampan.client import calls

Object = dict[str, Any]
FROM_LIST = "$deleteFromPrimitiveList/"


def patch_object(info: ResourceInfo, patch_type: str, current: Object, patch: Any) -> Object:
    if patch_type == calls.JSON_PATCH:
        return json_patched(current, patch)
    if patch_type in (calls.STRATEGIC_PATCH, calls.APPLY_PATCH):
        schema = type_schema(info.schema_ref) if info.schema_ref else None
        strategic: Object = strategic_patched(current, patch, schema)
        return strategic
    if patch_type == calls.MERGE_PATCH:
        merged: Object = merge_patched(current, patch)
        return merged
    raise UnsupportedMediaType(f"the fake server knows no patch of type {patch_type!r}")


def merge_patched(target: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patched(result.get(key), value)
    return result


def json_patched(target: Object, patch: list[Object]) -> Object:
    """RFC 6902: add, replace, remove and test."""
    result: Object = msgspec.json.decode(msgspec.json.encode(target))
    for step in patch:
        *parents, last = [p.replace("~1", "/").replace("~0", "~") for p in step["path"].split("/")[1:]]
        where: Any = result
        for part in parents:
            where = where[int(part)] if isinstance(where, list) else where.get(part)
            if where is None:
                raise Invalid("the server rejected our request due to an error in our request")
        operation, index = step["op"], last if isinstance(where, dict) else len(where) if last == "-" else int(last)
        if operation == "test":
            known = where.get(index) if isinstance(where, dict) else where[index]
            if known != step.get("value"):
                raise Invalid("the server rejected our request due to an error in our request")
        elif operation == "remove":
            if isinstance(where, dict) and index not in where:
                raise Invalid("the server rejected our request due to an error in our request")
            del where[index]
        elif isinstance(where, list) and operation == "add":
            where.insert(index, step["value"])
        else:
            where[index] = step["value"]
    return result


def strategic_patched(target: Any, patch: Any, schema: TypeSchema | None) -> Any:
    """Maps merge; lists with a merge key merge by it (`$patch: delete` removes), sets join, others are replaced."""
    if not isinstance(patch, dict):
        return patch
    if patch.get("$patch") == "replace":
        return {key: value for key, value in patch.items() if key != "$patch"}
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        field = schema.fields.get(key) if schema is not None else None
        if value is None:
            result.pop(key, None)
        elif key.startswith(FROM_LIST):
            name = key.removeprefix(FROM_LIST)
            result[name] = [item for item in result.get(name) or [] if item not in value]
        elif isinstance(value, list) and field is not None and "merge" in field.patch_strategy:
            result[key] = _list_patched(result.get(key) or [], value, field)
        elif not key.startswith("$"):
            result[key] = strategic_patched(result.get(key), value, field.struct if field is not None else None)
    return result


def _list_patched(target: list[Any], patch: list[Any], field: FieldSchema) -> list[Any]:
    if not field.merge_key:
        return target + [value for value in patch if value not in target]
    key, schema = field.merge_key, field.item.struct if field.item is not None else None
    items = {item.get(key): item for item in target}
    for item in patch:
        if item.get("$patch") == "delete":
            items.pop(item.get(key), None)
        else:
            items[item.get(key)] = strategic_patched(items.get(item.get(key)), item, schema)
    return list(items.values())
