"""The part of Go's text/template that people use with `-o go-template`, run on plain data.

Fields, variables, pipelines, parentheses, `if`/`else if`/`else`, `range` (`else`, `$i, $x :=`, `break`, `continue`),
`with`, `define`/`template`/`block`, comments, trimming, and functions (`gotemplate_functions`). A missing field is
`<no value>`, or an error with --allow-missing-template-keys=false. Reading the template is `gotemplate_parse`'s.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from sampan.api.goquote import quote
from sampan.cli.errors import CliError
from sampan.cli.printers.gotemplate_functions import FUNCTIONS, LAZY, MISSING, Missing, shown
from sampan.cli.printers.gotemplate_parse import CONSTANTS, Command, Node, Operand, Parser, Pipe, TemplateError
from sampan.cli.printers.table import go_text


class Break(Exception):
    pass


class Continue(Exception):
    pass


class Failed(Exception):
    """While it ran: where in the template, and what stands there."""

    def __init__(self, at: int, text: str, said: str) -> None:
        super().__init__(said)
        self.at, self.text, self.said = at, text, said


class Template:
    def __init__(self, text: str, *, missing_ok: bool = True) -> None:
        self._text = text
        self._missing_ok = missing_ok
        parser = Parser(text, {*FUNCTIONS, *LAZY})
        try:
            self._root = parser.parse()
        except TemplateError as error:
            raise CliError(f"error parsing template {text}, template: output:1: {error}") from None
        self._defined = parser.defined

    def render(self, data: Any) -> str:
        out: list[str] = []
        try:
            self._run(self._root, data, {"$": data}, out)
        except Failed as failure:
            import sys

            said = self._explained(failure)
            sys.stdout.write("".join(out) + self._debugging(said, data))
            raise CliError(f"error executing template {quote(self._text)}: {said}") from None
        return "".join(out)

    def _explained(self, failure: Failed) -> str:
        line = self._text.count("\n", 0, failure.at) + 1
        column = failure.at - (self._text.rfind("\n", 0, failure.at) + 1)
        text = failure.text if len(failure.text) <= 20 else f"{failure.text[:20]}..."
        return f'template: output:{line}:{column}: executing "output" at <{text}>: {failure.said}'

    def _debugging(self, said: str, data: Any) -> str:
        from sampan.cli.printers.json import compact

        return (
            f"Error executing template: {said}. Printing more information for debugging the template:\n"
            f"\ttemplate was:\n\t\t{self._text}\n\traw data was:\n\t\t{compact(data)}\n"
            f"\tobject given to template engine was:\n\t\t{go_text(data)}\n\n"
        )

    def _run(self, nodes: tuple[Node, ...], dot: Any, variables: dict[str, Any], out: list[str]) -> None:
        for node in nodes:
            if node.kind == "text":
                out.append(node.value)
            elif node.kind == "print":
                out.append(shown(self._pipe(node.value, dot, variables)))
            elif node.kind == "set":
                names, _, pipe = node.value
                variables[names[0]] = self._pipe(pipe, dot, variables)
            elif node.kind in ("if", "with"):
                self._branch(node, dot, variables, out)
            elif node.kind == "range":
                self._range(node, dot, variables, out)
            elif node.kind == "template":
                name, pipe = node.value
                if name not in self._defined:
                    raise Failed(node.at, node.text, f"template {quote(name)} not defined")
                inner = self._pipe(pipe, dot, variables) if pipe else None
                self._run(self._defined[name], inner, {"$": inner}, out)
            else:
                raise Break if node.kind == "break" else Continue

    def _branch(self, node: Node, dot: Any, variables: dict[str, Any], out: list[str]) -> None:
        scope = dict(variables)
        value = self._condition(node.value, dot, scope)
        if value:
            self._run(node.body, value if node.kind == "with" else dot, _Scope(scope, variables), out)
        else:
            self._run(node.other, dot, _Scope(scope, variables), out)

    def _condition(self, statement: Node, dot: Any, scope: dict[str, Any]) -> Any:
        if statement.kind == "set":
            names, _, pipe = statement.value
            scope[names[-1]] = value = self._pipe(pipe, dot, scope)
            return value
        return self._pipe(statement.value, dot, scope)

    def _range(self, node: Node, dot: Any, variables: dict[str, Any], out: list[str]) -> None:
        names: list[str] = []
        pipe: Pipe = node.value.value
        if node.value.kind == "set":
            names, _, pipe = node.value.value
        value = self._pipe(pipe, dot, variables)
        try:
            pairs = list(_pairs(value))
        except TemplateError as error:
            raise Failed(pipe[0][0].at, _text(pipe[0]), str(error)) from None
        if not pairs:
            self._run(node.other, dot, dict(variables), out)
            return
        for key, item in pairs:
            scope = _Scope(dict(variables), variables)
            if names:
                scope[names[-1]] = item
            if len(names) == 2:
                scope[names[0]] = key
            try:
                self._run(node.body, item, scope, out)
            except Break:
                return
            except Continue:
                continue

    def _pipe(self, pipe: Pipe, dot: Any, variables: dict[str, Any]) -> Any:
        value: Any = None
        for number, command in enumerate(pipe):
            value = self._command(command, dot, variables, [value] if number else [])
        return value

    def _command(self, command: Command, dot: Any, variables: dict[str, Any], last: list[Any]) -> Any:
        first, *rest = command
        if first.kind == "word" and first.value not in CONSTANTS:
            return self._function(command, dot, variables, last)
        if first.kind == "word" and first.value == "nil":
            raise Failed(first.at, "nil", "nil is not a command")
        if rest or last:
            said = f"can't give argument to non-function {first.text}"
            if first.kind == "field" and first.value:
                said = f"{first.value[-1]} is not a method but has arguments"
            raise Failed(first.at, first.text, said)
        return self._operand(first, dot, variables)

    def _function(self, command: Command, dot: Any, variables: dict[str, Any], last: list[Any]) -> Any:
        first, *rest = command
        name = first.value
        if name in LAZY:
            if not rest and not last:
                raise Failed(first.at, name, f"wrong number of args for {name}: want at least 1 got 0")
            return self._lazily(name, rest, dot, variables, last)
        arguments = [self._operand(one, dot, variables) for one in rest] + last
        function = FUNCTIONS[name]
        try:
            inspect.signature(function).bind(*arguments)
        except TypeError:
            wanted = len(inspect.signature(function).parameters)
            said = f"wrong number of args for {name}: want {wanted} got {len(arguments)}"
            raise Failed(first.at, name, said) from None
        try:
            return function(*arguments)
        except (TemplateError, TypeError, ValueError) as error:
            raise Failed(first.at, _text(command), f"error calling {name}: {error}") from None

    def _lazily(self, name: str, rest: Command, dot: Any, variables: dict[str, Any], last: list[Any]) -> Any:
        value: Any = None
        for one in rest:
            value = self._operand(one, dot, variables)
            if bool(value) is (name == "or"):
                return value
        return last[0] if last else value

    def _operand(self, operand: Operand, dot: Any, variables: dict[str, Any]) -> Any:
        kind, value = operand.kind, operand.value
        if kind == "pipe":
            inner, path = value
            return self._follow(self._pipe(inner, dot, variables), path, operand)
        if kind == "literal":
            return value
        if kind == "field":
            return self._follow(dot, value, operand)
        if kind == "variable":
            name, path = value
            return self._follow(variables.get(name), path, operand)
        if value in CONSTANTS:
            return CONSTANTS[value]
        return self._command([operand], dot, variables, [])

    def _follow(self, value: Any, path: list[str], operand: Operand) -> Any:
        for name in path:
            if isinstance(value, dict):
                if name not in value and not self._missing_ok:
                    raise Failed(operand.at, operand.text, f"map has no entry for key {quote(name)}")
                value = value.get(name, MISSING)
            elif isinstance(value, Missing) and self._missing_ok:
                return MISSING
            elif isinstance(value, Missing) or value is None:
                raise Failed(operand.at, operand.text, f"nil data; no entry for key {quote(name)}")
            else:
                raise Failed(operand.at, operand.text, f"can't evaluate field {name} in type interface {{}}")
        return value


class _Scope(dict[str, Any]):
    """Variables of a block; setting one that is known outside sets it there too."""

    def __init__(self, own: dict[str, Any], outer: dict[str, Any]) -> None:
        super().__init__(own)
        self._outer = outer

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value)
        if name in self._outer:
            self._outer[name] = value


def _text(command: Command) -> str:
    return " ".join(operand.text for operand in command)


def _pairs(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict):
        yield from ((key, value[key]) for key in sorted(value))
    elif isinstance(value, list):
        yield from enumerate(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        yield from ((number, number) for number in range(value))
    elif value is not None and not isinstance(value, Missing):
        raise TemplateError(f"range can't iterate over {go_text(value)}")
