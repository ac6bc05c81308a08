"""The grammar of label selector strings, with the API's own complaints."""

from __future__ import annotations

from sampan.api import names
from sampan.api.goquote import quote
from sampan.api.selectors.requirement import (
    DOES_NOT_EXIST,
    DOUBLE_EQUALS,
    EQUALS,
    EXISTS,
    GREATER_THAN,
    IN,
    LESS_THAN,
    NOT_EQUALS,
    NOT_IN,
    Requirement,
    SelectorError,
    requirement,
)

_END = "end"
_WORD = "word"
_SYMBOLS = frozenset("=!(),><")
_SPACES = frozenset(" \t\r\n")
_TWO = ("==", "!=")
_OPERATORS = {
    "in": IN,
    "notin": NOT_IN,
    "=": EQUALS,
    "==": DOUBLE_EQUALS,
    "!=": NOT_EQUALS,
    ">": GREATER_THAN,
    "<": LESS_THAN,
}
_EXPECTED_OPERATORS = "in, notin, =, ==, !=, gt, lt"

Token = tuple[str, str]


def _tokens(text: str) -> list[Token]:
    """(kind, literal): symbols and the words `in`, `notin` are their own kind."""
    found: list[Token] = []
    at, size = 0, len(text)
    while at < size:
        char = text[at]
        if char in _SPACES:
            at += 1
        elif char in _SYMBOLS:
            literal = text[at : at + 2] if text[at : at + 2] in _TWO else char
            found.append((literal, literal))
            at += len(literal)
        else:
            start = at
            while at < size and text[at] not in _SYMBOLS and text[at] not in _SPACES:
                at += 1
            word = text[start:at]
            found.append((word if word in ("in", "notin") else _WORD, word))
    found.append((_END, ""))
    return found


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens = _tokens(text)
        self.at = 0

    def peek(self) -> Token:
        return _as_value(self.tokens[self.at])

    def next(self, *, operator: bool = False) -> Token:
        token = self.tokens[min(self.at, len(self.tokens) - 1)]
        self.at += 1
        return token if operator else _as_value(token)

    def requirements(self) -> list[Requirement]:
        found: list[Requirement] = []
        while True:
            kind, literal = self.peek()
            if kind == _END:
                return found
            if kind not in (_WORD, "!"):
                raise SelectorError(f"found '{literal}', expected: !, identifier, or 'end of string'")
            try:
                found.append(self.requirement())
            except SelectorError as wrong:
                raise SelectorError(f"unable to parse requirement: {wrong}") from None
            kind, literal = self.next()
            if kind == _END:
                return found
            if kind != ",":
                raise SelectorError(f"found '{literal}', expected: ',' or 'end of string'")
            kind, literal = self.peek()
            if kind not in (_WORD, "!"):
                raise SelectorError(f"found '{literal}', expected: identifier after ','")

    def requirement(self) -> Requirement:
        kind, literal = self.next()
        negated = kind == "!"
        if negated:
            kind, literal = self.next()
        if kind != _WORD:
            raise SelectorError(f"found '{literal}', expected: identifier")
        key = literal
        objections = names.label_key(key)
        if objections:
            raise SelectorError(f"<nil>: Invalid value: {quote(key)}: {'; '.join(objections)}")
        if self.peek()[0] in (_END, ",") or negated:
            return requirement(key, DOES_NOT_EXIST if negated else EXISTS)
        kind, literal = self.next(operator=True)
        operator = _OPERATORS.get(kind)
        if operator is None:
            raise SelectorError(f"found '{literal}', expected: {_EXPECTED_OPERATORS}")
        values = self.values() if operator in (IN, NOT_IN) else {self.exact_value()}
        return requirement(key, operator, sorted(values))

    def exact_value(self) -> str:
        if self.peek()[0] in (_END, ","):
            return ""
        kind, literal = self.next()
        if kind != _WORD:
            raise SelectorError(f"found '{literal}', expected: identifier")
        return literal

    def values(self) -> set[str]:
        """`(a,b)`; an empty place between commas is the empty value."""
        kind, literal = self.next()
        if kind != "(":
            raise SelectorError(f"found '{literal}' expected: '('")
        kind, literal = self.peek()
        if kind == ")":
            self.next()
            return {""}
        if kind not in (_WORD, ","):
            raise SelectorError(f"found '{literal}', expected: ',', ')' or identifier")
        found: set[str] = set()
        while True:
            kind, literal = self.next()
            if kind == _WORD:
                found.add(literal)
                kind, literal = self.peek()
                if kind not in (",", ")"):
                    raise SelectorError(f"found '{literal}', expected: ',' or ')'")
            elif kind == ",":
                if not found or self.peek()[0] in (",", ")"):
                    found.add("")
            else:
                raise SelectorError(f"found '{literal}', expected: ',', or identifier")
            if self.peek()[0] == ")":
                self.next()
                return found


def _as_value(token: Token) -> Token:
    """Where a value or key is expected, `in` and `notin` are plain words."""
    return (_WORD, token[1]) if token[0] in ("in", "notin") else token


def parse_requirements(text: str) -> list[Requirement]:
    return _Parser(text).requirements()
