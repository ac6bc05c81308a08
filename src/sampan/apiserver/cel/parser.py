"""Tokens into a tree, by recursive descent; macros (`has`, `all`, `map`, …) become nodes of their own."""

from __future__ import annotations

from sampan.apiserver.cel.functions import library
from sampan.apiserver.cel.lexer import Token, tokens
from sampan.apiserver.cel.names import KEYWORDS, RESERVED
from sampan.apiserver.cel.syntax import (
    Bind,
    Call,
    CelSyntaxError,
    Comprehend,
    Entry,
    Field,
    Ident,
    Item,
    Literal,
    MakeList,
    MakeMap,
    MakeStruct,
    Node,
    Select,
    located,
)

_RELATIONS = frozenset(("<", "<=", ">", ">=", "==", "!=", "in"))
_DEEPEST = 100
_MOST_TEXT = 100_000
_TESTS = frozenset(("all", "exists", "exists_one", "existsOne"))
_TRANSFORMS = frozenset(("transformList", "transformMap", "transformMapEntry"))


def parse(text: str) -> Node:
    """Raises `CelSyntaxError`."""
    if len(text) > _MOST_TEXT:
        raise CelSyntaxError(f"ERROR: <input>:-1:0: expression code point size exceeds limit: size: {len(text)}")
    return _Parser(text).whole()


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokens(text)
        self.place = 0
        self.depth = 0

    # --- tokens ---

    @property
    def now(self) -> Token:
        return self.tokens[self.place]

    def step(self) -> Token:
        token = self.now
        self.place += 1
        return token

    def take(self, *said: str) -> Token | None:
        if self.now.kind in ("op", "ident") and self.now.text in said:
            return self.step()
        return None

    def need(self, said: str) -> Token:
        found = self.take(said)
        if found is None:
            raise self.wrong(f"mismatched input '{self.now.text}' expecting '{said}'")
        return found

    def wrong(self, said: str, at: int | None = None) -> CelSyntaxError:
        place = self.now.at if at is None else at
        return CelSyntaxError(located(self.text, place, f"Syntax error: {said}"))

    def misused(self, said: str, at: int) -> CelSyntaxError:
        return CelSyntaxError(located(self.text, at, said))

    # --- the grammar, loosest first ---

    def whole(self) -> Node:
        found = self.expression()
        if self.now.kind != "end":
            raise self.wrong(f"extraneous input '{self.now.text}' expecting <EOF>")
        return found

    def expression(self) -> Node:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise CelSyntaxError("ERROR: <input>:-1:0: expression recursion limit exceeded")
        condition = self.either()
        if (mark := self.take("?")) is not None:
            chosen = self.either()
            self.need(":")
            condition = Call(at=mark.at, function="_?_:_", arguments=(condition, chosen, self.expression()))
        self.depth -= 1
        return condition

    def either(self) -> Node:
        left = self.both()
        while (mark := self.take("||")) is not None:
            left = Call(at=mark.at, function="_||_", arguments=(left, self.both()))
        return left

    def both(self) -> Node:
        left = self.relation()
        while (mark := self.take("&&")) is not None:
            left = Call(at=mark.at, function="_&&_", arguments=(left, self.relation()))
        return left

    def relation(self) -> Node:
        left = self.sum()
        while (mark := self.take(*_RELATIONS)) is not None:
            name = "@in" if mark.text == "in" else f"_{mark.text}_"
            left = Call(at=mark.at, function=name, arguments=(left, self.sum()))
        return left

    def sum(self) -> Node:
        left = self.product()
        while (mark := self.take("+", "-")) is not None:
            left = Call(at=mark.at, function=f"_{mark.text}_", arguments=(left, self.product()))
        return left

    def product(self) -> Node:
        left = self.unary()
        while (mark := self.take("*", "/", "%")) is not None:
            left = Call(at=mark.at, function=f"_{mark.text}_", arguments=(left, self.unary()))
        return left

    def unary(self) -> Node:
        marks = []
        while (mark := self.take("!", "-")) is not None:
            marks.append(mark)
        if marks and marks[-1].text == "-" and self.now.kind in ("int", "double"):
            mark = marks.pop()
            token = self.step()
            found = self.members(Literal(at=mark.at, value=-token.value, type=token.kind))
        else:
            found = self.members(self.primary())
        for mark in reversed(marks):
            found = Call(at=mark.at, function="!_" if mark.text == "!" else "-_", arguments=(found,))
        return found

    def members(self, found: Node) -> Node:
        while True:
            if (dot := self.take(".")) is not None:
                found = self.member(found, dot)
            elif (bracket := self.take("[")) is not None:
                name = "_[?_]" if self.take("?") else "_[_]"
                index = self.expression()
                self.need("]")
                found = Call(at=bracket.at, function=name, arguments=(found, index))
            elif self.now.text == "{" and self.now.kind == "op" and (name := _dotted(found)):
                found = self.make_struct(name, self.step())
            else:
                return found

    def member(self, operand: Node, dot: Token) -> Node:
        optional = self.take("?") is not None
        name = self.step()
        if name.kind not in ("ident", "quoted"):
            raise self.wrong(f"no viable alternative at input '.{name.text}'", name.at)
        if not optional and (opened := self.take("(")) is not None:
            return self.method(operand, name.text, opened)
        if name.kind == "ident" and name.text in KEYWORDS:
            raise self.wrong(f"no viable alternative at input '.{name.text}'", name.at)
        return Select(at=dot.at, operand=operand, field=name.value, optional=optional)

    def primary(self) -> Node:
        token = self.step()
        match token.kind, token.text:
            case "ident", "true" | "false":
                return Literal(at=token.at, value=token.text == "true", type="bool")
            case "ident", "null":
                return Literal(at=token.at, value=None, type="null_type")
            case "ident", name if name not in RESERVED:
                if (opened := self.take("(")) is not None:
                    return self.function(name, opened)
                return Ident(at=token.at, name=name)
            case "int" | "uint" | "double" | "bytes", _:
                return Literal(at=token.at, value=token.value, type=token.kind)
            case "text", _:
                return Literal(at=token.at, value=token.value, type="string")
            case "op", "(":
                found = self.expression()
                self.need(")")
                return found
            case "op", "[":
                return self.make_list(token)
            case "op", "{":
                return self.make_map(token)
            case "op", ".":  # a name from the root
                return self.primary()
        raise self.wrong(f"mismatched input '{token.text}' expecting an expression", token.at)

    def make_list(self, opened: Token) -> Node:
        items = []
        while not self.take("]"):
            optional = self.take("?") is not None
            items.append(Item(value=self.expression(), optional=optional))
            if not self.take(","):
                self.need("]")
                break
        return MakeList(at=opened.at, items=tuple(items))

    def make_map(self, opened: Token) -> Node:
        entries = []
        while not self.take("}"):
            optional = self.take("?") is not None
            key = self.expression()
            self.need(":")
            entries.append(Entry(key=key, value=self.expression(), optional=optional))
            if not self.take(","):
                self.need("}")
                break
        return MakeMap(at=opened.at, entries=tuple(entries))

    def make_struct(self, name: str, opened: Token) -> Node:
        fields = []
        while not self.take("}"):
            optional = self.take("?") is not None
            field = self.step()
            if field.kind not in ("ident", "quoted"):
                raise self.wrong(f"mismatched input '{field.text}' expecting a field's name", field.at)
            self.need(":")
            fields.append(Field(name=field.value, value=self.expression(), optional=optional))
            if not self.take(","):
                self.need("}")
                break
        return MakeStruct(at=opened.at, type=name, fields=tuple(fields))

    def arguments(self) -> list[Node]:
        found: list[Node] = []
        if self.take(")"):
            return found
        while True:
            found.append(self.expression())
            if not self.take(","):
                self.need(")")
                return found

    # --- calls and macros ---

    def function(self, name: str, opened: Token) -> Node:
        arguments = self.arguments()
        if name == "has" and len(arguments) == 1:
            operand = arguments[0]
            if not isinstance(operand, Select):
                raise self.misused("invalid argument to has() macro", opened.at)
            return Select(at=opened.at, operand=operand.operand, field=operand.field, test=True)
        return Call(at=opened.at, function=name, arguments=tuple(arguments))

    def method(self, target: Node, name: str, opened: Token) -> Node:
        given = self.arguments()
        count = len(given)
        if name in _TESTS and count in (2, 3):
            kind = "existsOne" if name == "exists_one" else name
            *names, condition = given
            return Comprehend(at=opened.at, kind=kind, range=target, variables=self.names(names), condition=condition)
        if name == "map" and count in (2, 3):
            only_if = given[1] if count == 3 else None
            return Comprehend(
                at=opened.at, kind="map", range=target, variables=self.names(given[:1]), condition=only_if,
                result=given[-1],
            )  # fmt: skip
        if name == "filter" and count == 2:
            return Comprehend(
                at=opened.at, kind="filter", range=target, variables=self.names(given[:1]), condition=given[1]
            )
        if name in _TRANSFORMS and count in (3, 4):
            only_if = given[2] if count == 4 else None
            return Comprehend(
                at=opened.at, kind=name, range=target, variables=self.names(given[:2]), condition=only_if,
                result=given[-1],
            )  # fmt: skip
        if name in ("optMap", "optFlatMap") and count == 2:
            (variable,) = self.names(given[:1])
            return Bind(at=opened.at, variable=variable, value=target, inside=given[1], over=name)
        if name == "bind" and count == 3 and isinstance(target, Ident) and target.name == "cel":
            (variable,) = self.names(given[:1])
            return Bind(at=opened.at, variable=variable, value=given[1], inside=given[2])
        if isinstance(target, Ident) and f"{target.name}.{name}" in library().functions:
            return Call(at=opened.at, function=f"{target.name}.{name}", arguments=tuple(given))
        return Call(at=opened.at, function=name, target=target, arguments=tuple(given))

    def names(self, given: list[Node]) -> tuple[str, ...]:
        found = []
        for node in given:
            if not isinstance(node, Ident):
                raise self.misused("argument must be a simple name", node.at)
            found.append(node.name)
        return tuple(found)


def _dotted(node: Node) -> str:
    """`Object.spec`, where a node is nothing but names; or empty."""
    if isinstance(node, Ident):
        return node.name
    if isinstance(node, Select) and not node.optional and not node.test and (before := _dotted(node.operand)):
        return f"{before}.{node.field}"
    return ""
