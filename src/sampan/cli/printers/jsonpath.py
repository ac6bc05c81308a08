"""kubectl's dialect of JSONPath: text with `{…}` in it, `range`/`end`, `..`, filters, unions, slices.

A template is read into steps once (`jsonpath_parse`); `render` gives the text, `values` what the paths find.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sampan.api.goquote import quote
from sampan.cli.errors import CliError
from sampan.cli.printers.jsonpath_parse import JsonPathError, Parser, Step


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
            elif node.kind == "refused":
                raise JsonPathError(node.value)
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
        return (
            f"Error executing template: {said}. Printing more information for debugging the template:\n"
            f"\ttemplate was:\n\t\t{self.template}\n"
            f"\tobject given to jsonpath engine was:\n\t\t{go_source(data)}\n\n\n"
        )


def go_source(value: Any) -> str:
    """As Go's %#v shows plain data."""
    if isinstance(value, dict):
        return "map[string]interface {}{" + ", ".join(f"{quote(k)}:{go_source(value[k])}" for k in sorted(value)) + "}"
    if isinstance(value, list):
        return "[]interface {}{" + ", ".join(go_source(item) for item in value) + "}"
    if value is None:
        return "interface {}(nil)"
    if isinstance(value, str):
        return quote(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


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
