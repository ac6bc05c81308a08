"""The functions of Go's text/template, and kubectl's own (`base64decode`, `exists`)."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote_plus

from sampan.api.goquote import quote
from sampan.cli.printers.gotemplate_parse import TemplateError
from sampan.cli.printers.table import go_text


class Missing:
    """What a field that is not there stands for."""

    def __bool__(self) -> bool:
        return False


MISSING = Missing()


def shown(value: Any) -> str:
    if value is None or isinstance(value, Missing):
        return "<no value>"
    return go_text(value)


def go_type(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    names = ((int, "int"), (float, "float64"), (str, "string"), (list, "[]interface {}"))
    return next((name for kind, name in names if isinstance(value, kind)), "map[string]interface {}")


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        if isinstance(value, dict):
            if not isinstance(key, str):
                raise TemplateError(f"value has type {go_type(key)}; should be string")
            value = value.get(key, MISSING)
        elif isinstance(value, (list, str)):
            if not isinstance(key, int):
                raise TemplateError(f"cannot index slice/array with type {go_type(key)}")
            if not 0 <= key < len(value):
                raise TemplateError(f"index out of range: {key}")
            value = ord(value[key]) if isinstance(value, str) else value[key]
        elif value is None or isinstance(value, Missing):
            raise TemplateError("index of untyped nil")
        else:
            raise TemplateError(f"can't index item of type {go_type(value)}")
    return value


def _exists(value: Any, *keys: Any) -> bool:
    for key in keys:
        there = key in value if isinstance(value, dict) else isinstance(value, list) and 0 <= key < len(value)
        if not there:
            return False
        value = value[key]
    return True


def _len(value: Any) -> int:
    if not isinstance(value, (str, list, dict)):
        raise TemplateError(f"len of type {go_type(value)}" if value is not None else "len of nil pointer")
    return len(value.encode()) if isinstance(value, str) else len(value)


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
        try:
            formatted: str = f"%{match[1]}{verb}" % value
        except (TypeError, ValueError):
            return f"%!{verb}({go_type(value)}={shown(value)})"
        return formatted

    text = re.sub(r"%([-+# 0]*\d*(?:\.\d+)?)([a-zA-Z%])", put, form)
    extra = ", ".join(f"{go_type(value)}={shown(value)}" for value in left)
    return f"{text}%!(EXTRA {extra})" if left else text


def _print(*values: Any) -> str:
    """Spaces stand between two values of which neither is a string."""
    out = ""
    for number, value in enumerate(values):
        if number and not isinstance(value, str) and not isinstance(values[number - 1], str):
            out += " "
        out += shown(value)
    return out


def _slice(value: Any, *bounds: int) -> Any:
    return value[slice(*bounds)] if len(bounds) > 1 else value[bounds[0] if bounds else 0 :]


def _ordered(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def compare(left: Any, right: Any) -> bool:
        try:
            return test(left, right)
        except TypeError:
            raise TemplateError("incompatible types for comparison") from None

    return compare


def _equal(first: Any, *others: Any) -> bool:
    if not others:
        raise TemplateError("missing argument for comparison")
    return any(first == other for other in others)


def _call(function: Any, *rest: Any) -> Any:
    del rest
    raise TemplateError(f"non-function of type {go_type(function)}")


def _json(value: Any) -> str:
    from sampan.cli.printers.json import compact

    text: str = compact(value)
    return text


LAZY = ("and", "or")
"""Those that look at no more than they need."""
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "len": _len,
    "index": _index,
    "slice": _slice,
    "call": _call,
    "not": lambda value: not value,
    "eq": _equal,
    "ne": lambda a, b: a != b,
    "lt": _ordered(lambda a, b: a < b),
    "le": _ordered(lambda a, b: a <= b),
    "gt": _ordered(lambda a, b: a > b),
    "ge": _ordered(lambda a, b: a >= b),
    "print": _print,
    "println": lambda *values: " ".join(shown(value) for value in values) + "\n",
    "printf": _printf,
    "html": lambda value: str(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"),
    "js": lambda value: str(value).replace("\\", "\\\\").replace("'", "\\'").replace('"', '\\"'),
    "urlquery": lambda value: quote_plus(str(value)),
    "base64decode": lambda text: base64.b64decode(text).decode(errors="replace"),
    "exists": _exists,
    "json": _json,
}
