"""The tree that an expression is read into, and how its places are told."""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class Node(Struct, frozen=True, kw_only=True):
    at: int  # offset in the text: of the operator, the dot or the bracket that makes it what it is


class Literal(Node, frozen=True, kw_only=True):
    value: Any
    type: str  # int, uint, double, string, bytes, bool, null_type


class Ident(Node, frozen=True, kw_only=True):
    name: str


class Select(Node, frozen=True, kw_only=True):
    """`operand.field`, `operand.?field`, and within `has(…)` the question whether it is there."""

    operand: Node
    field: str
    optional: bool = False
    test: bool = False


class Call(Node, frozen=True, kw_only=True):
    """Functions, methods and operators; an operator's name is cel's: `_+_`, `!_`, `_?_:_`, `_[_]`."""

    function: str
    target: Node | None = None
    arguments: tuple[Node, ...] = ()


class Item(Struct, frozen=True, kw_only=True):
    value: Node
    optional: bool = False


class MakeList(Node, frozen=True, kw_only=True):
    items: tuple[Item, ...]


class Entry(Struct, frozen=True, kw_only=True):
    key: Node
    value: Node
    optional: bool = False


class MakeMap(Node, frozen=True, kw_only=True):
    entries: tuple[Entry, ...]


class Field(Struct, frozen=True, kw_only=True):
    name: str
    value: Node
    optional: bool = False


class MakeStruct(Node, frozen=True, kw_only=True):
    """`Object.spec{replicas: 3}`."""

    type: str
    fields: tuple[Field, ...]


class Comprehend(Node, frozen=True, kw_only=True):
    """`range.all(x, …)` and its kin; with two variables they are the key (or index) and the value."""

    kind: str  # all, exists, existsOne, map, filter, transformList, transformMap, transformMapEntry
    range: Node
    variables: tuple[str, ...]
    condition: Node | None = None
    result: Node | None = None


class Bind(Node, frozen=True, kw_only=True):
    """`cel.bind(x, value, in)`; and `opt.optMap(x, in)`, whose value is what the optional holds."""

    variable: str
    value: Node
    inside: Node
    over: str = ""  # optMap, optFlatMap


class CelSyntaxError(Exception):
    """An expression that cannot be read or makes no sense; the message shows the place."""


def located(text: str, at: int, said: str) -> str:
    """As cel's compiler prints an error: where, what, the line, and a mark below it."""
    line_start = text.rfind("\n", 0, at) + 1
    line_end = text.find("\n", at)
    line = text[line_start : len(text) if line_end < 0 else line_end]
    number, column = text.count("\n", 0, at) + 1, at - line_start
    return f"ERROR: <input>:{number}:{column + 1}: {said}\n | {line}\n | {'.' * column}^"
