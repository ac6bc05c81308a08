"""A Go template, read: text and actions become nodes, an action's words become operands.

What cannot be known is refused here, as Go does: functions, variables, blocks that do not end.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from typing import Any, NamedTuple

from sampan.api.goquote import quote
from sampan.cli.printers.jsonpath_parse import unescaped

_ACTION = re.compile(
    r"""\{\{(-(?=\s))?((?:/\*.*?\*/|"(?:\\.|[^"\\\n])*"|`[^`]*`|'(?:\\.|[^'\\\n])'|(?!\}\}).)*?)(\s-)?\}\}""", re.DOTALL
)
_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:\\.|[^"\\])*"|`[^`]*`)|(?P<char>'(?:\\.|[^'\\])')|(?P<number>[-+]?\d\w*(?:\.\w+)?(?:(?<=[eE])[-+]?\d+)?)"""
    r"""|(?P<field>\.[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)|(?P<variable>\$\w*(?:\.[A-Za-z_]\w*)*)"""
    r"""|(?P<word>[A-Za-z_]\w*)|(?P<mark>:=|[=|(),.]))"""
)
CONSTANTS: dict[str, Any] = {"true": True, "false": False, "nil": None}


class TemplateError(ValueError):
    pass


class Token(NamedTuple):
    """kind: string, char, number, field, variable, word, mark; `after` is a field of a parenthesis before it."""

    kind: str
    text: str
    at: int


class Operand(NamedTuple):
    """kind: literal, field, variable, word, pipe."""

    kind: str
    value: Any
    at: int
    text: str


Command = list[Operand]
Pipe = list[Command]


class Node(NamedTuple):
    """kind: text, print, set, if, with, range, template, break, continue."""

    kind: str
    value: Any = None
    body: tuple[Node, ...] = ()
    other: tuple[Node, ...] = ()
    at: int = 0
    text: str = ""


class Piece(NamedTuple):
    """kind: text or action."""

    kind: str
    text: str
    at: int


class Parser:
    def __init__(self, text: str, functions: Container[str]) -> None:
        self.defined: dict[str, tuple[Node, ...]] = {}
        self._functions = functions
        self._text = text
        self._pieces: list[Piece] = []
        self._next = 0
        self._variables = ["$"]
        self._ranges = 0

    def parse(self) -> tuple[Node, ...]:
        """Raises `TemplateError`."""
        self._pieces = list(_pieces(self._text))
        return self._nodes(())

    def _nodes(self, ends: tuple[str, ...]) -> tuple[Node, ...]:
        """Until an action of `ends`, which stays the next piece."""
        nodes: list[Node] = []
        while self._next < len(self._pieces):
            piece = self._pieces[self._next]
            if piece.kind == "text":
                nodes.append(Node("text", piece.text))
                self._next += 1
                continue
            word, rest, at = _keyword(piece)
            if word in ends:
                return tuple(nodes)
            self._next += 1
            if word in ("if", "with", "range"):
                nodes.append(self._block(word, rest, at))
            elif word in ("define", "block"):
                self._define(word, rest, at, nodes)
            elif word == "template":
                nodes.append(self._call(rest, at, f"{{{{{piece.text.strip()}}}}}"))
            elif word in ("break", "continue"):
                if not self._ranges:
                    raise TemplateError(f"{{{{{word}}}}} outside {{{{range}}}}")
                nodes.append(Node(word))
            elif word in ("end", "else"):
                raise TemplateError(f"unexpected {{{{{word}}}}}")
            else:
                nodes.append(self._statement(piece.text, piece.at, "command"))
        if ends:
            raise TemplateError("unexpected EOF")
        return tuple(nodes)

    def _block(self, word: str, rest: str, at: int) -> Node:
        outside = len(self._variables)
        head = self._statement(rest, at, word)
        self._ranges += word == "range"
        body = self._nodes(("end", "else"))
        self._ranges -= word == "range"
        last = self._pieces[self._next]
        self._next += 1
        other: tuple[Node, ...] = ()
        if last.text.strip().startswith("else"):
            _, following, _ = _keyword(last)
            if following.strip():  # else if
                begin = last.at + last.text.index("else") + 4
                inner, inner_rest, inner_at = _keyword(Piece("action", following, begin))
                other = (self._block(inner, inner_rest, inner_at),)
            else:
                other = self._nodes(("end",))
                self._next += 1
        del self._variables[outside:]
        return Node(word, head, body, other)

    def _define(self, word: str, rest: str, at: int, nodes: list[Node]) -> None:
        call = self._call(rest, at, "")
        outside, self._variables = self._variables, ["$"]
        body = self._nodes(("end",))
        self._variables = outside
        self._next += 1
        self.defined[call.value[0]] = body
        if word == "block":
            nodes.append(call)

    def _call(self, rest: str, at: int, text: str) -> Node:
        tokens = _tokens(rest, at)
        if not tokens or tokens[0].kind != "string":
            raise TemplateError("missing template name")
        pipe = self._pipeline(tokens[1:], "template") if tokens[1:] else None
        return Node("template", (self._operand(tokens[0]).value, pipe), at=tokens[0].at, text=text)

    def _statement(self, text: str, at: int, where: str) -> Node:
        tokens = _tokens(text, at)
        for position, token in enumerate(tokens):
            if token.kind == "mark" and token.text in (":=", "="):
                names = [one.text for one in tokens[:position] if one.kind == "variable"]
                if len(names) > (2 if where == "range" else 1):
                    raise TemplateError(f"too many declarations in {where}")
                pipe = self._pipeline(tokens[position + 1 :], where)
                if token.text == ":=":
                    self._variables += names
                return Node("set", (names, token.text == ":=", pipe))
        return Node("print", self._pipeline(tokens, where))

    def _pipeline(self, tokens: list[Token], where: str) -> Pipe:
        pipe, position = self._pipeline_at(tokens, 0, where)
        if position < len(tokens):
            raise TemplateError(f"unexpected {tokens[position].text} in operand")
        return pipe

    def _pipeline_at(self, tokens: list[Token], position: int, where: str) -> tuple[Pipe, int]:
        commands: Pipe = [[]]
        while position < len(tokens):
            token = tokens[position]
            if token.text == ")" and token.kind == "mark":
                break
            position += 1
            if token.text == "|" and token.kind == "mark":
                commands.append([])
            elif token.text == "(" and token.kind == "mark":
                inner, position = self._pipeline_at(tokens, position, "parenthesized pipeline")
                if position >= len(tokens):
                    raise TemplateError("unclosed left paren")
                position += 1
                path: list[str] = []
                if position < len(tokens) and tokens[position].kind == "after":
                    path = tokens[position].text.strip(".").split(".")
                    position += 1
                commands[-1].append(Operand("pipe", (inner, path), token.at, "("))
            else:
                commands[-1].append(self._operand(token))
        if not all(commands):
            raise TemplateError(f"missing value for {where}")
        return commands, position

    def _operand(self, token: Token) -> Operand:
        kind, text, at = token
        if kind == "word":
            if text not in CONSTANTS and text not in self._functions:
                raise TemplateError(f"function {quote(text)} not defined")
            return Operand("word", text, at, text)
        if kind == "variable":
            name, *path = text.split(".")
            if name not in self._variables:
                raise TemplateError(f"undefined variable {quote(name)}")
            return Operand("variable", (name, path), at, text)
        if kind == "field":
            return Operand("field", text[1:].split("."), at + text.rindex("."), text)
        if (kind, text) == ("mark", "."):
            return Operand("field", [], at, text)
        return Operand("literal", _literal(kind, text), at, text)


def _literal(kind: str, text: str) -> Any:
    if kind == "string":
        return text[1:-1] if text[0] == "`" else unescaped(text[1:-1])
    if kind == "char":
        return ord(unescaped(text[1:-1]))
    if kind != "number":
        raise TemplateError(f"unexpected {quote(text)} in operand")
    try:
        return int(text, 0)
    except ValueError:
        try:
            return float(text)
        except ValueError:
            raise TemplateError(f"bad number syntax: {quote(text)}") from None


def _pieces(text: str) -> Iterator[Piece]:
    at, trim_next = 0, False
    for match in _ACTION.finditer(text):
        before = text[at : match.start()]
        if trim_next:
            before = before.lstrip()
        if match[1]:
            before = before.rstrip()
        if before:
            yield Piece("text", before, at)
        trim_next = bool(match[3])
        inner = match[2].strip()
        if not (inner.startswith("/*") and inner.endswith("*/")):
            yield Piece("action", match[2], match.start(2))
        at = match.end()
    rest = text[at:].lstrip() if trim_next else text[at:]
    if "{{" in rest:
        raise TemplateError("unclosed action")
    if rest:
        yield Piece("text", rest, at)


def _keyword(piece: Piece) -> tuple[str, str, int]:
    """`range.items` → range, `.items` and where that begins; of an action that begins with no word, nothing."""
    match = re.match(r"\s*([a-z]*)", piece.text)
    assert match is not None
    return match[1], piece.text[match.end() :], piece.at + match.end()


def _tokens(text: str, base: int) -> list[Token]:
    found: list[Token] = []
    at = 0
    while at < len(text):
        if text[at:].isspace():
            break
        match = _TOKEN.match(text, at)
        if match is None:
            raise TemplateError(f"unexpected {quote(text[at:].strip()[:1])} in operand")
        kind = str(match.lastgroup)
        token = Token(kind, match[kind], base + match.start(kind))
        # `).field` belongs to the parenthesis, `a .field` does not
        if kind == "field" and found and found[-1].text == ")" and match[0] == match[kind]:
            token = token._replace(kind="after")
        found.append(token)
        at = match.end()
    return found
