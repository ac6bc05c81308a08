"""The part of Go's text/template that people use with `-o go-template`.

Fields, variables, pipelines, parentheses, `if`/`else if`/`else`, `range` (`else`, `$i, $x :=`, `break`, `continue`),
`with`, `define`/`template`/`block`, comments, trimming, and the built-in functions with kubectl's own (`base64decode`,
`exists`). A missing field is `<no value>`, or an error with --allow-missing-template-keys=false.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import quote_plus

from sampan.api.goquote import quote
from sampan.cli.errors import CliError
from sampan.cli.printers.jsonpath import unescaped
from sampan.cli.printers.table import go_text

_ACTION = re.compile(r"\{\{(-\s)?(.*?)(\s-)?\}\}", re.DOTALL)
_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:\\.|[^"\\])*"|`[^`]*`)|(?P<char>'(?:\\.|[^'\\])')|(?P<number>[-+]?\d[\d_.]*(?:[eE][-+]?\d+)?)"""
    r"""|(?P<field>\.[A-Za-z_][\w]*(?:\.[A-Za-z_]\w*)*)|(?P<variable>\$\w*(?:\.[A-Za-z_]\w*)*)"""
    r"""|(?P<word>[A-Za-z_]\w*)|(?P<mark>:=|[=|(),.]))"""
)


class Missing:
    """What a field that is not there stands for."""

    def __bool__(self) -> bool:
        return False


MISSING = Missing()


class TemplateError(ValueError):
    pass


class Break(Exception):
    pass


class Continue(Exception):
    pass


class Node(NamedTuple):
    """kind: text, print, set, if, with, range, template, break, continue."""

    kind: str
    value: Any = None
    body: tuple[Node, ...] = ()
    other: tuple[Node, ...] = ()


class Template:
    def __init__(self, text: str, *, missing_ok: bool = True) -> None:
        self._text = text
        self._missing_ok = missing_ok
        self._defined: dict[str, tuple[Node, ...]] = {}
        try:
            self._root, rest = self._parse(list(_pieces(text)), 0, ())
            del rest
        except TemplateError as error:
            raise CliError(f"error parsing template {text}, template: output:1: {error}") from None

    def render(self, data: Any) -> str:
        out: list[str] = []
        try:
            self._run(self._root, data, {"$": data}, out)
        except (TemplateError, TypeError) as error:
            from sampan.cli.printers.json import compact

            raise CliError(
                f'error executing template "{self._text}": template: output:1: executing "output": {error}\n'
                f"\tobject given to template engine was:\n\t\t{compact(data)}"
            ) from None
        return "".join(out)

    # Parsing ----------------------------------------------------------------------------------------------------------

    def _parse(self, pieces: list[tuple[str, str]], at: int, ends: tuple[str, ...]) -> tuple[tuple[Node, ...], int]:
        nodes: list[Node] = []
        while at < len(pieces):
            kind, value = pieces[at]
            if kind == "text":
                nodes.append(Node("text", value))
                at += 1
                continue
            word, rest = _keyword(value)
            if word in ends:
                return tuple(nodes), at
            at += 1
            if word in ("if", "with", "range"):
                node, at = self._block(word, rest.strip(), pieces, at)
                nodes.append(node)
            elif word in ("define", "block"):
                at = self._define(word, rest.strip(), pieces, at, nodes)
            elif word == "template":
                nodes.append(_call(rest.strip()))
            elif word in ("break", "continue"):
                nodes.append(Node(word))
            elif word in ("end", "else"):
                raise TemplateError(f"unexpected {{{{{word}}}}}")
            else:
                nodes.append(_statement(value))
        if ends:
            raise TemplateError("unexpected EOF")
        return tuple(nodes), at

    def _block(self, word: str, rest: str, pieces: list[tuple[str, str]], at: int) -> tuple[Node, int]:
        body, at = self._parse(pieces, at, ("end", "else"))
        other: tuple[Node, ...] = ()
        if pieces[at][1].startswith("else"):
            following = pieces[at][1][4:].strip()
            if following:  # else if
                inner_word, inner_rest = _keyword(following)
                node, at = self._block(inner_word, inner_rest.strip(), pieces, at + 1)
                return Node(word, _statement(rest), body, (node,)), at
            other, at = self._parse(pieces, at + 1, ("end",))
        return Node(word, _statement(rest), body, other), at + 1

    def _define(self, word: str, rest: str, pieces: list[tuple[str, str]], at: int, nodes: list[Node]) -> int:
        body, at = self._parse(pieces, at, ("end",))
        call = _call(rest)
        self._defined[call.value[0]] = body
        if word == "block":
            nodes.append(call)
        return at + 1

    # Running ----------------------------------------------------------------------------------------------------------

    def _run(self, nodes: tuple[Node, ...], dot: Any, variables: dict[str, Any], out: list[str]) -> None:
        for node in nodes:
            if node.kind == "text":
                out.append(node.value)
            elif node.kind == "print":
                out.append(shown(self._pipe(node.value, dot, variables)))
            elif node.kind == "set":
                names, declared, pipe = node.value
                del declared
                variables[names[0]] = self._pipe(pipe, dot, variables)
            elif node.kind in ("if", "with"):
                self._branch(node, dot, variables, out)
            elif node.kind == "range":
                self._range(node, dot, variables, out)
            elif node.kind == "template":
                name, pipe = node.value
                if name not in self._defined:
                    raise TemplateError(f'template "{name}" not defined')
                inner = self._pipe(pipe, dot, variables) if pipe else None
                self._run(self._defined[name], inner, {"$": inner}, out)
            else:
                raise Break if node.kind == "break" else Continue

    def _branch(self, node: Node, dot: Any, variables: dict[str, Any], out: list[str]) -> None:
        scope = dict(variables)
        value = self._condition(node.value, dot, scope)
        if truth(value):
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
        pipe = node.value.value
        if node.value.kind == "set":
            names, _, pipe = node.value.value
        value = self._pipe(pipe, dot, variables)
        pairs = list(_pairs(value))
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

    def _pipe(self, pipe: list[list[Any]], dot: Any, variables: dict[str, Any]) -> Any:
        value: Any = None
        for number, command in enumerate(pipe):
            value = self._command(command, dot, variables, [value] if number else [])
        return value

    def _command(self, command: list[Any], dot: Any, variables: dict[str, Any], last: list[Any]) -> Any:
        first = command[0]
        if isinstance(first, tuple) and first[0] == "word" and first[1] not in _CONSTANTS:
            name = first[1]
            if name in ("and", "or"):
                return self._lazily(name, command[1:], dot, variables, last)
            function = FUNCTIONS.get(name)
            if function is None:
                raise TemplateError(f'function "{name}" not defined')
            arguments = [self._operand(one, dot, variables) for one in command[1:]]
            try:
                return function(*arguments, *last)
            except TypeError as error:
                raise TemplateError(f"error calling {name}: {error}") from None
        if len(command) > 1 or last:
            raise TemplateError(
                f"can't give argument to non-function {first[1] if isinstance(first, tuple) else first}"
            )
        return self._operand(first, dot, variables)

    def _lazily(self, name: str, rest: list[Any], dot: Any, variables: dict[str, Any], last: list[Any]) -> Any:
        value: Any = None
        for one in rest:
            value = self._operand(one, dot, variables)
            if truth(value) is (name == "or"):
                return value
        return last[0] if last else value

    def _operand(self, token: Any, dot: Any, variables: dict[str, Any]) -> Any:
        kind, value = token
        if kind == "pipe":
            inner, path = value
            return self._follow(self._pipe(inner, dot, variables), path)
        if kind == "literal":
            return value
        if kind == "field":
            return self._follow(dot, value)
        if kind == "variable":
            name, path = value
            if name not in variables:
                raise TemplateError(f'undefined variable "{name}"')
            return self._follow(variables[name], path)
        if value in _CONSTANTS:
            return _CONSTANTS[value]
        return self._command([token], dot, variables, [])

    def _follow(self, value: Any, path: list[str]) -> Any:
        for name in path:
            if isinstance(value, dict):
                if name not in value:
                    if not self._missing_ok:
                        raise TemplateError(f'<.{".".join(path)}>: map has no entry for key "{name}"')
                    value = MISSING
                else:
                    value = value[name]
            elif isinstance(value, Missing) and self._missing_ok:
                return MISSING
            elif isinstance(value, Missing) or value is None:
                raise TemplateError(f'<.{".".join(path)}>: nil data; no entry for key "{name}"')
            else:
                raise TemplateError(f"<.{'.'.join(path)}>: can't evaluate field {name} in type interface {{}}")
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


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    at, trim_next = 0, False
    for match in _ACTION.finditer(text):
        before = text[at : match.start()]
        if trim_next:
            before = before.lstrip()
        if match[1]:
            before = before.rstrip()
        if before:
            yield "text", before
        trim_next = bool(match[3])
        inner = match[2].strip()
        if not (inner.startswith("/*") and inner.endswith("*/")):
            yield "action", re.sub(r"\s+", " ", inner) if '"' not in inner and "`" not in inner else inner
        at = match.end()
    rest = text[at:].lstrip() if trim_next else text[at:]
    if "{{" in rest:
        raise TemplateError("unclosed action")
    if rest:
        yield "text", rest


def _keyword(action: str) -> tuple[str, str]:
    """`range.items` → range and `.items`; of an action that begins with none, nothing."""
    match = re.match(r"[a-z]+", action)
    word = match[0] if match else ""
    return word, action[len(word) :]


def _tokens(text: str) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    at = 0
    while at < len(text):
        if text[at:].isspace():
            break
        match = _TOKEN.match(text, at)
        if match is None:
            raise TemplateError(f"unexpected {quote(text[at:].strip()[:1])} in operand")
        kind = str(match.lastgroup)
        found.append((kind, match[kind]))
        # `).field` belongs to the parenthesis, `a .field` does not
        if kind == "field" and found[-2:-1] == [("mark", ")")] and match[0] == match[kind]:
            found[-1] = ("after", match[kind])
        at = match.end()
    return found


def _statement(text: str) -> Node:
    tokens = _tokens(text)
    for position, token in enumerate(tokens):
        if token in (("mark", ":="), ("mark", "=")):
            names = [value for kind, value in tokens[:position] if kind == "variable"]
            return Node("set", (names, token[1] == ":=", _pipeline(tokens[position + 1 :])))
    return Node("print", _pipeline(tokens))


def _call(rest: str) -> Node:
    tokens = _tokens(rest)
    if not tokens or tokens[0][0] != "string":
        raise TemplateError("missing template name")
    return Node("template", (_literal(*tokens[0])[1], _pipeline(tokens[1:]) if tokens[1:] else None))


def _pipeline(tokens: list[tuple[str, Any]]) -> list[list[Any]]:
    pipe, at = _pipeline_at(tokens, 0)
    if at < len(tokens):
        raise TemplateError(f"unexpected {tokens[at][1]} in operand")
    return pipe


def _pipeline_at(tokens: list[tuple[str, Any]], at: int) -> tuple[list[list[Any]], int]:
    commands: list[list[Any]] = [[]]
    while at < len(tokens):
        kind, value = tokens[at]
        at += 1
        if (kind, value) == ("mark", ")"):
            at -= 1
            break
        if (kind, value) == ("mark", "|"):
            commands.append([])
        elif (kind, value) == ("mark", "("):
            inner, at = _pipeline_at(tokens, at)
            if at >= len(tokens):
                raise TemplateError("unclosed left paren")
            at += 1
            path: list[str] = []
            if at < len(tokens) and tokens[at][0] == "after":
                path = tokens[at][1].strip(".").split(".")
                at += 1
            commands[-1].append(("pipe", (inner, path)))
        else:
            commands[-1].append(_literal(kind, value))
    if not all(commands):
        raise TemplateError("missing value for command")
    return commands, at


def _literal(kind: str, value: str) -> tuple[str, Any]:
    if kind == "string":
        return "literal", value[1:-1] if value[0] == "`" else unescaped(value[1:-1])
    if kind == "char":
        return "literal", ord(unescaped(value[1:-1]))
    if kind == "number":
        plain = value.replace("_", "")
        return "literal", float(plain) if any(c in plain for c in ".eE") else int(plain)
    if kind == "field":
        return "field", value[1:].split(".")
    if kind == "variable":
        name, *path = value.split(".")
        return "variable", (name, path)
    if (kind, value) == ("mark", "."):
        return "field", []
    return kind, value


def _pairs(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict):
        yield from ((key, value[key]) for key in sorted(value))
    elif isinstance(value, list):
        yield from enumerate(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        yield from ((number, number) for number in range(value))
    elif value is not None and not isinstance(value, Missing):
        raise TemplateError(f"range can't iterate over {go_text(value)}")


def shown(value: Any) -> str:
    if value is None or isinstance(value, Missing):
        return "<no value>"
    return go_text(value)


def truth(value: Any) -> bool:
    return bool(value)


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        if isinstance(value, dict):
            value = value.get(key, MISSING)
        elif isinstance(value, list):
            if not 0 <= key < len(value):
                raise TemplateError(f"error calling index: index out of range: {key}")
            value = value[key]
        else:
            raise TemplateError("error calling index: index of untyped nil")
    return value


def _exists(value: Any, *keys: Any) -> bool:
    for key in keys:
        there = key in value if isinstance(value, dict) else isinstance(value, list) and 0 <= key < len(value)
        if not there:
            return False
        value = value[key]
    return True


def _printf(form: str, *values: Any) -> str:
    left = list(values)

    def put(match: re.Match[str]) -> str:
        if match[0] == "%%":
            return "%"
        if not left:
            return f"%!{match[2]}(MISSING)"
        value, verb = left.pop(0), match[2]
        if verb == "q":
            return quote(str(value))
        if verb in "vs":
            return f"%{match[1]}s" % (shown(value),)
        formatted: str = f"%{match[1]}{verb}" % value
        return formatted

    return re.sub(r"%([-+# 0]*\d*(?:\.\d+)?)([a-zA-Z%])", put, form)


def _joined(values: tuple[Any, ...]) -> str:
    """Spaces stand between two values of which neither is a string."""
    out = ""
    for number, value in enumerate(values):
        if number and not isinstance(value, str) and not isinstance(values[number - 1], str):
            out += " "
        out += shown(value)
    return out


def _json(value: Any) -> str:
    from sampan.cli.printers.json import compact

    text: str = compact(value)
    return text


def _slice(value: Any, *bounds: int) -> Any:
    return value[slice(*bounds)] if len(bounds) > 1 else value[bounds[0] if bounds else 0 :]


_CONSTANTS: dict[str, Any] = {"true": True, "false": False, "nil": None}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "len": len,
    "index": _index,
    "slice": _slice,
    "not": lambda value: not truth(value),
    "eq": lambda first, *others: any(first == other for other in others),
    "ne": lambda a, b: a != b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
    "print": lambda *values: _joined(values),
    "println": lambda *values: " ".join(shown(value) for value in values) + "\n",
    "printf": _printf,
    "html": lambda value: str(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"),
    "js": lambda value: str(value).replace("\\", "\\\\").replace("'", "\\'").replace('"', '\\"'),
    "urlquery": lambda value: quote_plus(str(value)),
    "base64decode": lambda text: base64.b64decode(text).decode(errors="replace"),
    "exists": _exists,
    "json": _json,
}
