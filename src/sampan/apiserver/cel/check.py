"""What type an expression has, and what is wrong with it, before it runs.

Where the type of a part is not known (`dyn`), nothing is objected to: it will show when it runs.
"""

from __future__ import annotations

from collections.abc import Mapping

from sampan.apiserver.cel.functions import library
from sampan.apiserver.cel.functions.standard import TYPE_NAMES
from sampan.apiserver.cel.syntax import (
    Bind,
    Call,
    CelSyntaxError,
    Comprehend,
    Ident,
    Literal,
    MakeList,
    MakeMap,
    MakeStruct,
    Node,
    Select,
    located,
)
from sampan.apiserver.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    LITERALS,
    STRING,
    TIMESTAMP,
    TYPE,
    UINT,
    Type,
    bind,
    fill,
    list_of,
    map_of,
    optional_of,
    same,
)

_NUMBERS = ("int", "uint", "double")
_ADDED = {
    ("int", "int"): INT, ("uint", "uint"): UINT, ("double", "double"): DOUBLE, ("string", "string"): STRING,
    ("bytes", "bytes"): BYTES, (DURATION.name, DURATION.name): DURATION, (TIMESTAMP.name, DURATION.name): TIMESTAMP,
    (DURATION.name, TIMESTAMP.name): TIMESTAMP,
}  # fmt: skip
_SUBTRACTED = {
    ("int", "int"): INT, ("uint", "uint"): UINT, ("double", "double"): DOUBLE,
    (DURATION.name, DURATION.name): DURATION, (TIMESTAMP.name, DURATION.name): TIMESTAMP,
    (TIMESTAMP.name, TIMESTAMP.name): DURATION,
}  # fmt: skip
_MULTIPLIED = {("int", "int"): INT, ("uint", "uint"): UINT, ("double", "double"): DOUBLE}
_REMAINDER = {("int", "int"): INT, ("uint", "uint"): UINT}
_ARITHMETIC = {
    "_+_": _ADDED, "_-_": _SUBTRACTED, "_*_": _MULTIPLIED, "_/_": _MULTIPLIED, "_%_": _REMAINDER,
}  # fmt: skip
_ORDERED = frozenset(("bool", "string", "bytes", DURATION.name, TIMESTAMP.name))

Scope = Mapping[str, Type]


def check(node: Node, text: str, variables: Scope, types: dict[int, Type] | None = None) -> Type:
    """Raises `CelSyntaxError` with everything that is wrong. `types` learns what each node is, by its identity."""
    checker = _Checker(text, {} if types is None else types)
    found = checker.type_of(node, variables)
    if checker.wrong:
        raise CelSyntaxError("\n".join(checker.wrong))
    return found


class _Checker:
    def __init__(self, text: str, types: dict[int, Type]) -> None:
        self.text = text
        self.types = types
        self.wrong: list[str] = []

    def object_to(self, node: Node, said: str) -> Type:
        self.wrong.append(located(self.text, node.at, said))
        return DYN

    def no_overload(self, node: Node, function: str, target: Type | None, arguments: list[Type]) -> Type:
        listed = ", ".join(map(str, arguments))
        applied = f"({listed})" if target is None else f"{target}.({listed})"
        return self.object_to(node, f"found no matching overload for '{function}' applied to '{applied}'")

    def type_of(self, node: Node, scope: Scope) -> Type:
        found = self.types[id(node)] = self.inferred(node, scope)
        return found

    def inferred(self, node: Node, scope: Scope) -> Type:
        match node:
            case Literal():
                return LITERALS[node.type]
            case Ident():
                return self.ident(node, scope)
            case Select():
                return self.select(node, scope)
            case MakeList():
                return list_of(
                    self.common([self.type_of(i.value, scope) for i in node.items], [i.optional for i in node.items])
                )
            case MakeMap():
                keys = self.common([self.type_of(e.key, scope) for e in node.entries])
                found = [self.type_of(e.value, scope) for e in node.entries]
                return map_of(keys, self.common(found, [e.optional for e in node.entries]))
            case MakeStruct():
                return self.make_struct(node, scope)
            case Comprehend():
                return self.comprehend(node, scope)
            case Bind():
                return self.bind(node, scope)
            case Call():
                return self.call(node, scope)
        raise AssertionError(node)

    def common(self, types: list[Type], optional: list[bool] | None = None) -> Type:
        marks = optional or [False] * len(types)
        bare = [t.item if maybe else t for t, maybe in zip(types, marks, strict=True)]
        if not bare:
            return DYN
        return bare[0] if all(same(bare[0], t) for t in bare) else DYN

    def ident(self, node: Ident, scope: Scope) -> Type:
        found = scope.get(node.name) or TYPE_NAMES.get(node.name)
        return found or self.object_to(node, f"undeclared reference to '{node.name}' (in container '')")

    def select(self, node: Select, scope: Scope) -> Type:
        if isinstance(node.operand, Ident) and f"{node.operand.name}.{node.field}" in scope:
            return scope[f"{node.operand.name}.{node.field}"]
        operand = self.type_of(node.operand, scope)
        maybe = node.optional or operand.name == "optional_type"
        if operand.name == "optional_type":
            operand = operand.item
        found = self.field(node, operand)
        if node.test:
            return BOOL
        return optional_of(found) if maybe else found

    def field(self, node: Select, operand: Type) -> Type:
        if operand.fields:
            found = operand.fields.get(node.field)
            return found or self.object_to(node, f"undefined field '{node.field}'")
        if operand.name == "map":
            return operand.item
        if operand.name in ("dyn", "google.protobuf.Struct"):
            return DYN
        return self.object_to(node, f"type '{operand}' does not support field selection")

    def make_struct(self, node: MakeStruct, scope: Scope) -> Type:
        for field in node.fields:
            self.type_of(field.value, scope)
        name = node.type.partition(".")[0]
        if name not in scope or scope[name] is not TYPE:
            return self.object_to(node, f"undeclared reference to '{node.type}' (in container '')")
        return Type(name=node.type)

    def comprehend(self, node: Comprehend, scope: Scope) -> Type:
        ranged = self.type_of(node.range, scope)
        if ranged.name not in ("list", "map", "dyn"):
            self.object_to(
                node.range,
                f"expression of type '{ranged}' cannot be range of a comprehension (must be list, map, or dynamic)",
            )
            ranged = DYN
        first, second = (INT, ranged.item) if ranged.name == "list" else (ranged.parameters or (DYN, DYN))
        if len(node.variables) == 1:
            only = ranged.parameters[0] if ranged.parameters else DYN
            inner: dict[str, Type] = {**scope, node.variables[0]: only}
        else:
            inner = {**scope, node.variables[0]: first, node.variables[1]: second}
        if node.condition is not None:
            found = self.type_of(node.condition, inner)
            if not same(found, BOOL):
                self.no_overload(node.condition, "_&&_", None, [BOOL, found])
        result = self.type_of(node.result, inner) if node.result is not None else DYN
        match node.kind:
            case "filter":
                return list_of(inner[node.variables[0]])
            case "map" | "transformList":
                return list_of(result)
            case "transformMap":
                return map_of(first, result)
            case "transformMapEntry":
                return result
        return BOOL

    def bind(self, node: Bind, scope: Scope) -> Type:
        value = self.type_of(node.value, scope)
        if not node.over:
            return self.type_of(node.inside, {**scope, node.variable: value})
        if not same(value, optional_of(DYN)):
            return self.no_overload(node, node.over, value, [DYN])
        found = self.type_of(node.inside, {**scope, node.variable: value.item})
        return optional_of(found) if node.over == "optMap" else found

    def call(self, node: Call, scope: Scope) -> Type:
        arguments = [self.type_of(a, scope) for a in node.arguments]
        if node.target is None:
            found = self.operator(node, arguments)
            if found is not None:
                return found
        target = self.type_of(node.target, scope) if node.target is not None else None
        given = arguments if target is None else [target, *arguments]
        if node.function not in library().functions:
            return self.object_to(node, f"undeclared reference to '{node.function}' (in container '')")
        results = []
        for overload in library().candidates(node.function, len(given), method=target is not None):
            bound: dict[str, Type] = {}
            if all(bind(wanted, real, bound) for wanted, real in zip(overload.takes, given, strict=True)):
                results.append(fill(overload.gives, bound))
        if not results:
            return self.no_overload(node, node.function, target, arguments)
        return self.common(results)

    def operator(self, node: Call, given: list[Type]) -> Type | None:
        name = node.function
        if name in ("_&&_", "_||_", "!_"):
            return BOOL if all(same(t, BOOL) for t in given) else self.no_overload(node, name, None, given)
        if name == "_?_:_":
            if not same(given[0], BOOL) or not (same(given[1], given[2]) or "null" in (given[1].name, given[2].name)):
                return self.no_overload(node, name, None, given)
            return given[1] if given[1].name not in ("dyn", "null") else given[2]
        if name in ("_==_", "_!=_"):
            alike = same(*given) or "null" in (given[0].name, given[1].name)
            return BOOL if alike else self.no_overload(node, name, None, given)
        if name in ("_<_", "_<=_", "_>_", "_>=_"):
            return BOOL if _comparable(*given) else self.no_overload(node, name, None, given)
        if name in _ARITHMETIC:
            return _arithmetic(name, *given) or self.no_overload(node, name, None, given)
        if name == "-_":
            number = given[0].name in ("int", "double", "dyn")
            return given[0] if number else self.no_overload(node, name, None, given)
        if name == "@in":
            return BOOL if _may_hold(given[1], given[0]) else self.no_overload(node, name, None, given)
        if name in ("_[_]", "_[?_]"):
            return self.index(node, given)
        return None

    def index(self, node: Call, given: list[Type]) -> Type:
        found, at = given
        maybe = node.function == "_[?_]" or found.name == "optional_type"
        if found.name == "optional_type":
            found = found.item
        fits = (
            found.name == "dyn"
            or (found.name == "list" and at.name in ("int", "dyn"))
            or (found.name == "map" and same(found.parameters[0], at))
        )
        if not fits:
            return self.no_overload(node, node.function, None, given)
        item = found.item if found.parameters else DYN
        return optional_of(item) if maybe else item


def _comparable(left: Type, right: Type) -> bool:
    if "dyn" in (left.name, right.name):
        return True
    return (left.name in _NUMBERS and right.name in _NUMBERS) or (left.name == right.name and left.name in _ORDERED)


def _arithmetic(name: str, left: Type, right: Type) -> Type | None:
    if "dyn" in (left.name, right.name):
        return DYN
    if name == "_+_" and left.name == right.name == "list":
        return left if same(left, right) else None
    return _ARITHMETIC[name].get((left.name, right.name))


def _may_hold(found: Type, wanted: Type) -> bool:
    if found.name == "dyn":
        return True
    return found.name in ("list", "map") and same(found.parameters[0], wanted)
