"""A JSONPath template, read: text and `{actions}`, whose paths become steps."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

_SLICE = re.compile(r"(-?\d*)(?::(-?\d*))?(?::(-?\d*))?")
_FIELD_END = " .,[]$@{}\t\r\n=!<>&|()"


class JsonPathError(ValueError):
    """The template cannot be read, or it names what is not there."""


class Step(NamedTuple):
    """kind: field, wildcard, recursive, slice, union, filter, text, path, range, end, refused (an error)."""

    kind: str
    value: Any = None


class Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def parse(self) -> list[Step]:
        nodes: list[Step] = []
        ranges = 0
        while self._at < len(self._text):
            brace = self._text.find("{", self._at)
            if brace < 0:
                nodes.append(Step("text", self._text[self._at :]))
                break
            if brace > self._at:
                nodes.append(Step("text", self._text[self._at : brace]))
            self._at = brace + 1
            for node in self._action():
                ranges += {"range": 1, "end": -1}.get(node.kind, 0)
                nodes.append(node if ranges >= 0 else Step("refused", "not in range, nothing to end"))
                ranges = max(ranges, 0)
        return nodes

    def _action(self) -> list[Step]:
        nodes: list[Step] = []
        while True:
            self._spaces()
            letter = self._peek()
            if not letter:
                raise JsonPathError("unclosed action")
            if letter == "}":
                self._at += 1
                return nodes
            if letter in "\"'":
                nodes.append(Step("text", self._quoted()))
            elif letter.isdigit() or letter in "+-":
                word = re.compile(r"[-+]?[0-9.]+").match(self._text, self._at)
                assert word is not None
                self._at = word.end()
                nodes.append(Step("text", word[0]))
            elif letter in ".$@[":
                nodes.append(Step("path", self._path()))
            elif letter.isalpha() or letter == "_":
                word = re.compile(r"\w+").match(self._text, self._at)
                assert word is not None
                self._at = word.end()
                if word[0] == "range":
                    self._spaces()
                    nodes.append(Step("range", self._path()))
                elif word[0] == "end":
                    nodes.append(Step("end"))
                elif word[0] in ("true", "false"):
                    nodes.append(Step("text", word[0]))
                else:
                    nodes.append(Step("refused", f"unrecognized identifier {word[0]}"))
            else:
                raise JsonPathError(f"unrecognized character in action: U+{ord(letter):04X} '{letter}'")

    def _path(self) -> list[Step]:
        steps: list[Step] = []
        while True:
            letter = self._peek()
            if letter == "$":
                self._at += 1
                steps.append(Step("root"))
            elif letter == "@":
                self._at += 1
            elif letter == "[":
                steps.append(self._bracket())
            elif letter == "*":
                self._at += 1
                steps.append(Step("wildcard"))
            elif letter == ".":
                self._at += 1
                if self._peek() == ".":
                    self._at += 1
                    steps.append(Step("recursive"))
                self._field(steps)
            else:
                return steps

    def _field(self, steps: list[Step]) -> None:
        if self._peek() == "*":
            self._at += 1
            steps.append(Step("wildcard"))
            return
        name = ""
        while (letter := self._peek()) and letter not in _FIELD_END:
            if letter == "\\":
                self._at += 1
                letter = self._peek()
            name += letter
            self._at += 1
        if name:
            steps.append(Step("field", name))

    def _bracket(self) -> Step:
        start = self._at + 1
        end = self._closing()
        inner = self._text[start:end].strip()
        self._at = end + 1
        if inner.startswith("?"):
            return Step("filter", _filter(inner))
        if inner == "*":
            return Step("wildcard")
        parts = _outside_quotes(inner, ",")
        if len(parts) > 1:
            return Step("union", [[_element(part.strip())] for part in parts])
        return _element(inner)

    def _closing(self) -> int:
        depth, at, quote = 0, self._at, ""
        while at < len(self._text):
            letter = self._text[at]
            if quote:
                if letter == "\\":
                    at += 1
                elif letter == quote:
                    quote = ""
            elif letter in "\"'":
                quote = letter
            elif letter == "[":
                depth += 1
            elif letter == "]":
                depth -= 1
                if not depth:
                    return at
            at += 1
        raise JsonPathError("unterminated array" if "?" not in self._text[self._at :] else "unterminated filter")

    def _quoted(self) -> str:
        quote, at = self._text[self._at], self._at + 1
        while at < len(self._text) and self._text[at] != quote:
            at += 2 if self._text[at] == "\\" else 1
        if at >= len(self._text):
            raise JsonPathError("unterminated quoted string")
        inner = self._text[self._at + 1 : at]
        self._at = at + 1
        return unescaped(inner)

    def _spaces(self) -> None:
        while self._peek() in (" ", "\t", "\r", "\n"):
            self._at += 1

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]


def unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    known = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
    return re.sub(r"\\(.)", lambda match: known.get(match[1], match[1]), text)


def _element(inner: str) -> Step:
    if len(inner) > 1 and inner[0] in "\"'" and inner[-1] == inner[0]:
        return Step("field", unescaped(inner[1:-1]))
    matched = _SLICE.fullmatch(inner)
    if not inner or matched is None:
        raise JsonPathError(f"invalid array index {inner}")
    single = ":" not in inner
    start, end, stride = (int(part) if part else None for part in matched.groups())
    return Step("slice", (start, end, stride, single))


def _filter(inner: str) -> tuple[list[Step], str, list[Step]]:
    body = inner[1:].strip()
    if not (body.startswith("(") and body.endswith(")")):
        raise JsonPathError("unterminated filter")
    body = body[1:-1]
    for operator in ("==", "!=", "<=", ">=", "<", ">"):
        parts = _outside_quotes(body, operator)
        if len(parts) == 2:
            return _operand(parts[0].strip()), operator, _operand(parts[1].strip())
        if len(parts) > 2:
            raise JsonPathError(f"unrecognized filter {inner}")
    return _operand(body.strip()), "exists", []


def _operand(text: str) -> list[Step]:
    if len(text) > 1 and text[0] in "\"'" and text[-1] == text[0]:
        return [Step("literal", unescaped(text[1:-1]))]
    if text in ("true", "false"):
        return [Step("literal", text == "true")]
    if re.fullmatch(r"[-+]?\d+", text):
        return [Step("literal", int(text))]
    if re.fullmatch(r"[-+]?\d*\.\d+", text):
        return [Step("literal", float(text))]
    parser = Parser(text)
    return parser._path()


def _outside_quotes(text: str, separator: str) -> list[str]:
    parts, quote, start, depth, at = [], "", 0, 0, 0
    while at < len(text):
        letter = text[at]
        if quote:
            if letter == "\\":
                at += 1
            elif letter == quote:
                quote = ""
        elif letter in "\"'":
            quote = letter
        elif letter in "[(":
            depth += 1
        elif letter in "])":
            depth -= 1
        elif not depth and text.startswith(separator, at):
            parts.append(text[start:at])
            at += len(separator)
            start = at
            continue
        at += 1
    return [*parts, text[start:]]
