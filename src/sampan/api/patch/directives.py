"""The words that a strategic merge patch may hold beside an object's own fields, and how it finds a field's type."""

from __future__ import annotations

from typing import Any

from sampan.api.errors import BadRequest
from sampan.api.goquote import go_value
from sampan.api.patch.failures import Unprocessable, plain
from sampan.api.patch.shape import DEDUCED, STRUCT, Shape

MARKER = "$patch"
DELETE = "delete"
REPLACE = "replace"
MERGE = "merge"
RETAIN_KEYS = "$retainKeys"
DELETE_FROM_LIST = "$deleteFromPrimitiveList"
SET_ORDER = "$setElementOrder"

BAD_RETAIN_KEYS = "invalid patch format of retainKeys"
BAD_PRIMITIVE_LIST = "invalid patch format of primitive list"
BAD_SET_ORDER = "invalid patch format of setElementOrder list"


def field_shape(shape: Shape, name: str) -> Shape:
    """The type of a field that a patch goes into."""
    found = shape.child(name)
    if found is not None:
        return found
    if shape.kind == STRUCT or shape.fields:
        struct = shape.name.rpartition(".")[2]
        raise plain(f'unable to find api field in struct {struct} for the json field "{name}"')
    return DEDUCED


def item_shape(shape: Shape) -> Shape:
    return shape.item or DEDUCED


def target_key(directive: str, prefix: str, complaint: str) -> str:
    """`containers` of `$setElementOrder/containers`."""
    head, slash, key = directive.partition("/")
    if not slash or head != prefix:
        raise BadRequest(complaint)
    return key


def merge_value(item: Any, merge_key: str) -> Any:
    """The value of an item's merge key; the API's complaint when the item has none."""
    if not isinstance(item, dict):
        raise plain(f"expected a map[string]interface {{}}, but received a {go_type(item)}")
    if merge_key not in item:
        raise plain(f"map: {go_value(item)} does not contain declared merge key: {merge_key}")
    return identity(item[merge_key])


def identity(value: Any) -> Any:
    """Something to compare and hash by, for any JSON value; true is not 1."""
    if isinstance(value, (dict, list)):
        return go_value(value)
    return (bool, value) if isinstance(value, bool) else value


def go_type(value: Any) -> str:
    if value is None:
        return "%!s(<nil>)"
    names = {str: "string", bool: "bool", int: "int64", float: "float64", list: "[]interface {}"}
    return names.get(type(value), "map[string]interface {}")


def holds_maps(*lists: list[Any]) -> bool:
    """Whether these lists hold maps rather than scalars; all items must be of one kind."""
    kinds = {_kind(item) for items in lists for item in items}
    if "list" in kinds:
        raise Unprocessable("lists of lists are not supported")
    if len(kinds) > 1 and "map" in kinds:
        raise plain(f"list element types are not identical: {go_value(list(lists))}")
    return kinds == {"map"}


def _kind(item: Any) -> str:
    return "map" if isinstance(item, dict) else "list" if isinstance(item, list) else "scalar"
