"""Sets of field paths as FieldsV1 trees.

    {"f:spec": {"f:containers": {"k:{\"name\":\"a\"}": {".": {}, "f:image": {}}}}}

A node without children is a member of the set; a node with children is a member when it holds ".". Trees are shared and
never changed in place.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import msgspec

from sampan.api.goquote import go_value, quote
from sampan.api.patch.shape import Shape

FieldSet = dict[str, Any]

LEAF: FieldSet = {}
SELF = "."

_encode = msgspec.json.encode


def field(name: str) -> str:
    return f"f:{name}"


class PathError(ValueError):
    """A list item that cannot be addressed."""


def item_element(shape: Shape, item: Any) -> str:
    """The path element of an item in a list-map or list-set."""
    if not shape.keys:
        if isinstance(item, (dict, list)):
            raise PathError("associative list without keys has an element that's a map type or a list type")
        return _value_element(item)
    if not isinstance(item, dict):
        if item is None:
            raise PathError("associative list with keys may not have a null element")
        raise PathError("associative list with keys may not have non-map elements")
    if shape.key_prefix:
        value = item.get(shape.keys[0])
        if type(value) is str:
            return _string_key(shape.key_prefix, value)
    found = {}
    for key in shape.keys:
        if key in item:
            found[key] = item[key]
        elif key in shape.key_defaults:
            found[key] = shape.key_defaults[key]
    if not found:
        names = "[" + " ".join(quote(k) for k in shape.keys) + "]"
        raise PathError(
            f"associative list with keys has an element that omits all key fields {names} "
            "(and doesn't have default values for any key fields)"
        )
    return "k:" + _encode(found).decode()


@lru_cache(maxsize=8192)
def _string_key(prefix: str, value: str) -> str:
    return f"{prefix}{_encode(value).decode()}}}"


def _value_element(value: Any) -> str:
    return f"v:{_encode(value).decode()}"


def is_member(node: FieldSet | None) -> bool:
    return node is not None and (not node or SELF in node)


def has_children(node: FieldSet) -> bool:
    return len(node) > (1 if SELF in node else 0)


def union(a: FieldSet, b: FieldSet) -> FieldSet:
    """Of two roots. A root is never a member itself, so an empty one is the empty set."""
    if not a or a is b:
        return b
    if not b:
        return a
    out = dict(a)
    for key, theirs in b.items():
        mine = out.get(key)
        out[key] = theirs if mine is None else _union_node(mine, theirs)
    return out


def _union_node(a: FieldSet, b: FieldSet) -> FieldSet:
    if a is b:
        return a
    if not a:
        return b if not b or SELF in b else {SELF: LEAF, **b}
    if not b:
        return a if SELF in a else {SELF: LEAF, **a}
    return union(a, b)


def difference(a: FieldSet, b: FieldSet) -> FieldSet:
    """The members of `a` that are not members of `b`. Children are members of their own."""
    if not a or not b:
        return a
    out: FieldSet = {}
    for key, mine in a.items():
        theirs = b.get(key)
        left = mine if theirs is None else _difference_node(mine, theirs)
        if left is not None:
            out[key] = left
    return out


def _difference_node(a: FieldSet, b: FieldSet) -> FieldSet | None:
    return _node(is_member(a) and not is_member(b), difference(_children(a), _children(b)))


def intersection(a: FieldSet, b: FieldSet) -> FieldSet:
    out: FieldSet = {}
    if len(b) < len(a):
        a, b = b, a
    for key, mine in a.items():
        theirs = b.get(key)
        if theirs is None:
            continue
        both = _node(is_member(mine) and is_member(theirs), intersection(_children(mine), _children(theirs)))
        if both is not None:
            out[key] = both
    return out


def recursive_difference(a: FieldSet, b: FieldSet) -> FieldSet:
    """`a` without the members of `b` and everything below them."""
    if not a or not b:
        return a
    out: FieldSet = {}
    for key, mine in a.items():
        theirs = b.get(key)
        if theirs is None:
            out[key] = mine
        elif not is_member(theirs):
            left = _node(is_member(mine), recursive_difference(_children(mine), theirs))
            if left is not None:
                out[key] = left
    return out


def _children(node: FieldSet) -> FieldSet:
    if SELF not in node:
        return node
    return {k: v for k, v in node.items() if k != SELF}


def _node(member: bool, children: FieldSet) -> FieldSet | None:
    """The node for a membership and children; None when there is nothing to say."""
    if children:
        return {SELF: LEAF, **children} if member else children
    return LEAF if member else None


def named_fields_as_members(fields: FieldSet, shape: Shape | None) -> FieldSet:
    """The set with every declared struct field on the way to a member a member itself."""
    out: FieldSet = {}
    for key, node in fields.items():
        if key == SELF:
            out[key] = node
            continue
        name = key[2:] if key.startswith("f:") else None
        child = _child_shape(shape, name)
        if not has_children(node):
            out[key] = node
            continue
        grown = named_fields_as_members(node, child)
        declared = shape is not None and name is not None and name in shape.fields
        out[key] = {SELF: LEAF, **grown} if declared and SELF not in grown else grown
    return out


def _child_shape(shape: Shape | None, name: str | None) -> Shape | None:
    if shape is None:
        return None
    return shape.child(name) if name is not None else shape.item


def in_order(fields: FieldSet) -> FieldSet:
    """The tree as Kubernetes prints it: "." first, then fields, keys and values by name."""
    return {k: in_order(fields[k]) if fields[k] else LEAF for k in sorted(fields)} if fields else LEAF


def paths(fields: FieldSet, prefix: str = "") -> Iterator[str]:
    """The members as messages show them: `.spec.containers[name="a"].image`; a level's own members come first."""
    keys = [k for k in sorted(fields) if k != SELF]
    for key in keys:
        if is_member(fields[key]):
            yield prefix + element_text(key)
    for key in keys:
        if has_children(fields[key]):
            yield from paths(fields[key], prefix + element_text(key))


def element_text(element: str) -> str:
    """One path element as messages show it."""
    kind, rest = element[:2], element[2:]
    if kind == "f:":
        return f".{rest}"
    if kind == "k:":
        keys = msgspec.json.decode(rest)
        return "[" + ",".join(f"{k}={_shown(keys[k])}" for k in sorted(keys)) + "]"
    if kind == "v:":
        return f"[={_shown(msgspec.json.decode(rest))}]"
    return f"[{rest}]"


def _shown(value: Any) -> str:
    return quote(value) if isinstance(value, str) else go_value(value)


class MalformedFields(ValueError):
    """FieldsV1 that no server wrote."""


def check(fields: Any) -> FieldSet:
    """FieldsV1 as a client sent it; MalformedFields when it is no tree of path elements."""
    if not isinstance(fields, dict):
        raise MalformedFields("FieldsV1 must be an object")
    for key, node in fields.items():
        if key != SELF and key[1:2] != ":":
            raise MalformedFields(f"missing colon: {quote(key)}")
        if key[:2] not in ("f:", "k:", "v:", "i:") and key != SELF:
            raise MalformedFields(f"unknown field type: {quote(key)}")
        if key[:2] in ("k:", "v:"):
            try:
                msgspec.json.decode(key[2:])
            except msgspec.DecodeError as wrong:
                raise MalformedFields(f"cannot read {quote(key)}") from wrong
        check(node)
    return fields
