"""What an expression may cost at most, before it ever runs: the steps of the worst values that its schema lets in.

The units are cel's: one for a name, a field and most calls, a tenth for every character that is gone through, and all
of it again for every element of a list or map that is walked over. A rule that could keep the server busy is refused
with its definition. Sizes come with the types (`Type.most`); what is not known counts as endless.
"""

from __future__ import annotations

from collections.abc import Mapping

from sampan.apiserver.cel.check import Scope, check
from sampan.apiserver.cel.parser import parse
from sampan.apiserver.cel.syntax import (
    Bind,
    Call,
    Comprehend,
    Ident,
    Literal,
    MakeList,
    MakeMap,
    MakeStruct,
    Node,
    Select,
)
from sampan.apiserver.cel.types import DYN, Type

ENDLESS = (1 << 64) - 1
_CHARACTERS = 10  # that are one step
_PATTERN = 4  # characters of a regular expression that are one step
_NEW_LIST, _NEW_MAP, _NEW_STRUCT = 10, 30, 40
_AUTHORIZATION = 350_000  # two such questions fit into an expression
_SCALARS = frozenset((
    "bool", "int", "uint", "double", "null", "type", "google.protobuf.Timestamp", "google.protobuf.Duration",
))  # fmt: skip
_TEXTS = frozenset(("string", "bytes"))
# Around each element's own condition and result: the loop's condition, and how the result so far is carried on.
_LOOP = {
    "all": 3, "exists": 4, "existsOne": 2, "filter": 13, "map": 12, "transformList": 12, "transformMap": 3,
    "transformMapEntry": 2,
}  # fmt: skip
_BEFORE = {"filter": _NEW_LIST, "map": _NEW_LIST, "transformList": _NEW_LIST, "transformMap": _NEW_MAP,
           "transformMapEntry": _NEW_MAP, "existsOne": 1}  # fmt: skip
_WALKED = frozenset(("isSorted", "sum", "max", "min", "indexOf", "lastIndexOf"))
_READ_ONCE = frozenset(("url", "lowerAscii", "upperAscii", "substring", "trim", "string", "bytes"))


def most_cost(text: str, variables: Scope) -> int:
    """Of an expression that compiles."""
    node = parse(text)
    types: dict[int, Type] = {}
    check(node, text, variables, types)
    return min(_Estimate(types).cost(node), ENDLESS)


class _Estimate:
    """Of the nodes of one tree, by identity; `sizes` has what is made on the way and is no value of a schema."""

    def __init__(self, types: Mapping[int, Type]) -> None:
        self.types = types
        self.sizes: dict[int, int] = {}
        self.named: dict[str, int] = {}  # sizes of what `cel.bind` gives a name

    def type(self, node: Node) -> Type:
        return self.types.get(id(node), DYN)

    def size(self, node: Node) -> int:
        known = self.sizes.get(id(node))
        if known is not None:
            return known
        match node:
            case Literal(value=value):
                return len(value) if isinstance(value, str | bytes) else 1
            case MakeList(items=items):
                return len(items)
            case MakeMap(entries=entries):
                return len(entries)
            case Ident(name=name) if name in self.named:
                return self.named[name]
        return _most(self.type(node))

    def cost(self, node: Node | None) -> int:
        match node:
            case Ident():
                return 1
            case Select():
                walked = not node.test and (self.type(node.operand).name == "map" or self.type(node.operand).fields)
                return self.cost(node.operand) + (1 if walked or node.optional else 0)
            case MakeList():
                return _NEW_LIST + sum(self.cost(i.value) for i in node.items)
            case MakeMap():
                return _NEW_MAP + sum(self.cost(e.key) + self.cost(e.value) for e in node.entries)
            case MakeStruct():
                return _NEW_STRUCT + sum(self.cost(f.value) for f in node.fields)
            case Bind():
                return self.bind(node)
            case Comprehend():
                return self.comprehend(node)
            case Call():
                return self.call(node)
        return 0  # a literal

    def bind(self, node: Bind) -> int:
        value = self.cost(node.value)
        before = self.named.get(node.variable)
        held = self.type(node.value)
        self.named[node.variable] = _most(held.item) if node.over else self.size(node.value)
        inside = self.cost(node.inside)
        self.sizes[id(node)] = self.size(node.inside)
        if before is None:
            del self.named[node.variable]
        else:
            self.named[node.variable] = before
        # `optMap` asks whether there is a value, and takes it.
        return _NEW_LIST + value + inside + ((value + 3) if node.over else 0)

    def comprehend(self, node: Comprehend) -> int:
        hidden = {name: self.named.pop(name) for name in node.variables if name in self.named}
        start = self.cost(node.range) + _BEFORE.get(node.kind, 0) + 1
        count = self.size(node.range)
        each = _LOOP[node.kind] + self.cost(node.condition) + self.cost(node.result)
        self.named |= hidden
        if node.kind in _BEFORE and node.kind != "existsOne":
            self.sizes[id(node)] = count
        return min(start + count * each, ENDLESS)

    def call(self, node: Call) -> int:
        given = node.arguments if node.target is None else (node.target, *node.arguments)
        if node.function == "_?_:_":
            when, yes, no = given
            cost = self.cost(when) + max(self.cost(yes), self.cost(no))
            self.sizes[id(node)] = max(self.size(yes), self.size(no))
            return cost
        costs = sum(self.cost(g) for g in given)
        return min(costs + self.own(node, given), ENDLESS)

    def own(self, node: Call, given: tuple[Node, ...]) -> int:
        """The call itself; and how long its result is, where that is known."""
        name, sizes = node.function, [self.size(g) for g in given]
        kinds = {self.type(g).name for g in given}
        match name:
            case "_&&_" | "_||_":
                return 0
            case "_==_" | "_!=_":
                return _read(min(sizes))
            case "_<_" | "_<=_" | "_>_" | "_>=_":
                return max(1, _read(min(sizes))) if kinds & {*_TEXTS, "dyn"} else 1
            case "_+_" if kinds & {*_TEXTS, "list", "dyn"}:
                self.sizes[id(node)] = min(sum(sizes), ENDLESS)
                return 1 if "list" in kinds else max(1, _read(sum(sizes)))
            case "@in":
                return sizes[1] if self.type(given[1]).name != "map" else 1
            case "matches" | "find" | "findAll" if node.target is not None and len(given) > 1:
                self.sizes[id(node)] = sizes[0]
                return _read(sizes[0] + 1) * -(-sizes[1] // _PATTERN)
            case "contains":
                return _read(sizes[0]) * _read(sizes[1])
            case "startsWith" | "endsWith":
                return _read(sizes[-1])
            case "check":
                return _AUTHORIZATION
            case "replace" if len(given) > 2:
                self.sizes[id(node)] = _replaced(*sizes[:3])
                return _read(2 * sizes[0])
            case "split":
                parts = given[2].value if len(given) > 2 and isinstance(given[2], Literal) else sizes[0]
                self.sizes[id(node)] = max(parts, 0)
                return _read(2 * sizes[0])
            case "join":
                separators = sizes[1] * max(sizes[0] - 1, 0) if len(sizes) > 1 else 0
                made = self.sizes[id(node)] = min(sizes[0] * _most(self.type(given[0]).item) + separators, ENDLESS)
                return _read(made)
            case "dyn":
                self.sizes[id(node)] = sizes[0]
                return 1
        if name in _WALKED and given:
            listed = self.type(given[0]).name == "list"
            item = self.type(given[0]).item
            return sizes[0] * (1 + (_read(_most(item)) if item.name in _TEXTS else 0)) if listed else _read(sizes[0])
        if name in _READ_ONCE and given and kinds & {*_TEXTS, "dyn"}:
            self.sizes[id(node)] = sizes[0]
            return _read(sizes[0])
        return 1


def _most(type_: Type) -> int:
    if type_.most is not None:
        return type_.most
    if type_.name == "optional_type":
        return _most(type_.item)
    return 1 if type_.name in _SCALARS else ENDLESS


def _read(characters: int) -> int:
    """To go through a text (or to compare it with another)."""
    return -(-characters // _CHARACTERS)


def _replaced(text: int, what: int, by: int) -> int:
    if what == 0:
        return text + (text + 1) * by
    return text if by <= what else min(-(-text // what) * by, ENDLESS)
