"""kubectl's dialect of JSONPath: text with `{…}` in it, `range`/`end`, `..`, filters, unions, slices.

A template is parsed into nodes once; `render` gives the text, `values` what the first path finds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from sampan.cli.errors import CliError

_RELAXED = re.compile(r"\{?\.?([^{}]*|.*?\{.*\}.*)\}?")
_SLICE = re.compile(r"(-?\d*)(?::(-?\d*))?(?::(-?\d*))?")
_FIELD_END = " .,[]$@{}\t\r\n=!<>&|()"


class JsonPathError(ValueError):
    """The template cannot be read, or it names what is not there."""


class Step(NamedTuple):
    """kind: field, wildcard, recursive, slice, union, filter, text, path, range, end."""

    kind: str
    value: Any = None


class JsonPath:
    def __init__(self, template: str, *, missing_ok: bool = True) -> None:
        self.template = template
        self._missing_ok = missing_ok
        try:
            self._nodes = Parser(template).parse()
        except JsonPathError as error:
            raise CliError(f"error parsing jsonpath {template}, {error}") from None

    def render(self, data: Any) -> str:
        try:
            texts, _ = self._run(self._nodes, 0, data)
        except JsonPathError as error:
            raise CliError(f'error executing jsonpath "{self.template}": {self._debugging(str(error), data)}') from None
        return "".join(texts)

    def values(self, data: Any) -> list[Any]:
        """All that the paths find, one after the other."""
        found: list[Any] = []
        for node in self._nodes:
            if node.kind == "path":
                found += self._walk(node.value, [data], data)
        return found

    def _run(self, nodes: list[Step], at: int, data: Any) -> tuple[list[str], int]:
        texts: list[str] = []
        while at < len(nodes):
            node = nodes[at]
            at += 1
            if node.kind == "text":
                texts.append(node.value)
            elif node.kind == "path":
                texts.append(" ".join(text_of(value) for value in self._walk(node.value, [data], data)))
            elif node.kind == "range":
                after = _end_of(nodes, at)
                for value in self._walk(node.value, [data], data):
                    texts += self._run(nodes, at, value)[0]
                at = after
            else:
                return texts, at
        return texts, at

    def _walk(self, steps: list[Step], values: list[Any], root: Any) -> list[Any]:
        for step in steps:
            values = list(self._step(step, values, root))
        return values

    def _step(self, step: Step, values: list[Any], root: Any) -> Iterator[Any]:
        if step.kind == "field":
            yield from self._fields(step.value, values)
        elif step.kind == "wildcard":
            for value in values:
                yield from _children(value)
        elif step.kind == "recursive":
            for value in values:
                yield from _descendants(value)
        elif step.kind == "slice":
            for value in values:
                yield from self._slice(step.value, value)
        elif step.kind == "union":
            for path in step.value:
                yield from self._walk(path, values, root)
        elif step.kind == "filter":
            for value in values:
                if not isinstance(value, (list, dict)):
                    continue
                for item in _children(value):
                    if self._holds(step.value, item):
                        yield item
        elif step.kind == "root":
            yield root
        elif step.kind == "literal":
            yield step.value

    def _fields(self, name: str, values: list[Any]) -> Iterator[Any]:
        found = False
        for value in values:
            if isinstance(value, dict) and name in value:
                found = True
                yield value[name]
        if not found and not self._missing_ok and values:
            raise JsonPathError(f"{name} is not found")

    def _slice(self, bounds: tuple[int | None, int | None, int | None, bool], value: Any) -> Iterator[Any]:
        if value is None and self._missing_ok:
            return
        if not isinstance(value, list):
            raise JsonPathError(f"{text_of(value)} is not array or slice")
        start, end, stride, single = bounds
        if single:
            index = start or 0
            if not -len(value) <= index < len(value):
                if self._missing_ok and not value:
                    return
                shown = index if index >= 0 else index + len(value)
                raise JsonPathError(f"array index out of bounds: index {shown}, length {len(value)}")
            yield value[index]
            return
        if stride is not None and stride <= 0:
            raise JsonPathError("step must be > 0")
        yield from value[start : end : stride or 1]

    def _holds(self, test: tuple[list[Step], str, list[Step]], item: Any) -> bool:
        left, operator, right = test
        quiet = JsonPath.__new__(JsonPath)
        quiet._missing_ok = True
        found = quiet._walk(left, [item], item)
        if operator == "exists":
            return bool(found)
        if not found:
            return False
        if len(found) > 1:
            raise JsonPathError("can only compare one element at a time")
        other = quiet._walk(right, [item], item)
        if not other:
            return False
        return _compared(found[0], operator, other[0])

    def _debugging(self, said: str, data: Any) -> str:
        from sampan.cli.printers.json import compact
        from sampan.cli.printers.table import go_text

        return (
            f"Error executing template: {said}. Printing more information for debugging the template:\n"
            f"\ttemplate was:\n\t\t{self.template}\n"
            f"\tobject given to jsonpath engine was:\n\t\t{compact(data) if isinstance(data, dict) else go_text(data)}"
            "\n\n"
        )


def relaxed(path: str) -> str:
    """`x.y`, `.x.y`, `{x.y}` and `{.x.y}` are all `{.x.y}`."""
    if not path:
        return path
    inner = path
    if inner.startswith("{") != inner.endswith("}"):
        raise CliError(
            "unexpected path string, expected a 'name1.name2' or '.name1.name2' or '{name1.name2}' or '{.name1.name2}'"
        )
    if inner.startswith("{"):
        inner = inner[1:-1]
    return "{." + inner.removeprefix(".") + "}"


def text_of(value: Any) -> str:
    if isinstance(value, (dict, list)):
        from sampan.cli.printers.json import compact

        return compact(value)
    from sampan.cli.printers.table import go_text

    return "" if value is None else go_text(value)


def _end_of(nodes: list[Step], at: int) -> int:
    depth = 1
    while at < len(nodes):
        depth += {"range": 1, "end": -1}.get(nodes[at].kind, 0)
        at += 1
        if not depth:
            return at
    return at


def _children(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    return [value[key] for key in sorted(value)] if isinstance(value, dict) else []


def _descendants(value: Any) -> Iterator[Any]:
    yield value
    for child in _children(value):
        if isinstance(child, (dict, list)):
            yield from _descendants(child)


def _compared(left: Any, operator: str, right: Any) -> bool:
    if isinstance(left, (int, float)) and not isinstance(left, bool) and isinstance(right, str):
        right = _number(right)
    if isinstance(left, str) and not isinstance(right, str):
        left = _number(left)
    try:
        match operator:
            case "==":
                return bool(left == right)
            case "!=":
                return bool(left != right)
            case "<":
                return bool(left < right)
            case "<=":
                return bool(left <= right)
            case ">":
                return bool(left > right)
            case _:
                return bool(left >= right)
    except TypeError:
        return False


def _number(text: str) -> Any:
    try:
        return int(text)
    except ValueError:
        try:
            return float(text)
        except ValueError:
            return text


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
                if ranges < 0:
                    raise JsonPathError("not in range, nothing to end")
                nodes.append(node)
        if ranges:
            raise JsonPathError("unterminated range")
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
                    raise JsonPathError(f"unrecognized identifier {word[0]}")
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
