"""YAML as kubectl's Go library means it: which plain words are no strings, and how objects are written.

That library is a port of libyaml, so libyaml itself (PyYAML's C parts) reads and lays out; only what a plain scalar
means, the order of keys and the choice of quotes are told here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cmp_to_key
from typing import Any, ClassVar

import yaml

_TRUE = frozenset(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"))
_FALSE = frozenset(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"))
_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_INF = {".inf": "inf", ".Inf": "inf", ".INF": "inf", "+.inf": "inf", "+.Inf": "inf", "+.INF": "inf"}
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)|[-+]?0[xX][0-9a-fA-F]+|[-+]?0[bB][01]+|[-+]?0[oO]?[0-7]+")
_BASE60 = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}"
    r"(?:(?:[Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]*)?(?:[ \t]*(?:Z|[-+][0-9]{1,2}(?::?[0-9]{2})?))?)?"
)


def value_of(text: str) -> Any:
    """What a plain scalar is: a string unless it looks like something else."""
    if text in _NULL:
        return None
    first = text[0]
    if first.isalpha():
        return True if text in _TRUE else False if text in _FALSE else text
    if first in "0123456789+-.":
        if text in _INF:
            return float("inf")
        plain = text.replace("_", "")
        if _INT.fullmatch(plain):
            return _integer(plain)
        if _FLOAT.fullmatch(plain):
            return float(plain)
    return text


def _integer(plain: str) -> int:
    digits = plain.lstrip("+-").lower()
    octal = digits.startswith("0") and digits[1:2].isdigit()
    value = int(digits, 8 if octal else 0)
    return -value if plain.startswith("-") else value


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Plain scalars by `value_of`; keys are strings; of a key that stands twice the last counts."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {"<": [("tag:yaml.org,2002:merge", re.compile("^<<$"))]}


def _scalar(loader: Any, node: Any) -> Any:
    return node.value if node.style else value_of(node.value)


def _binary(loader: Any, node: Any) -> Any:
    return loader.construct_scalar(node)


def _mapping(loader: Any, node: Any) -> dict[str, Any]:
    loader.flatten_mapping(node)
    return {
        _key(loader.construct_object(key, deep=True)): loader.construct_object(value, deep=True)
        for key, value in node.value
    }


def _key(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else str(value)


def _sequence(loader: Any, node: Any) -> list[Any]:
    return [loader.construct_object(item, deep=True) for item in node.value]


_Loader.add_constructor("tag:yaml.org,2002:str", _scalar)
_Loader.add_constructor("tag:yaml.org,2002:merge", _scalar)
_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)
_Loader.add_constructor("tag:yaml.org,2002:seq", _sequence)
_Loader.add_constructor("tag:yaml.org,2002:binary", _binary)
LOADER: Any = _Loader


class _NewerLoader(_Loader):
    """As YAML 1.2 means it, which kustomize reads: `yes`, `on` and `y` are texts."""


def _newer_scalar(loader: Any, node: Any) -> Any:
    value = _scalar(loader, node)
    return node.value if isinstance(value, bool) and node.value.lower() not in ("true", "false") else value


_NewerLoader.add_constructor("tag:yaml.org,2002:str", _newer_scalar)
NEWER_LOADER: Any = _NewerLoader


# Writing -------------------------------------------------------------------------------------------------------------


def dump(data: Any) -> str:
    """As kubectl writes an object: keys sorted, lists flush with their key, long lines folded."""
    dumper = getattr(yaml, "CDumper", yaml.Dumper)
    text: str = yaml.emit(_document(data), Dumper=dumper, allow_unicode=True)
    return text


def _document(data: Any) -> Iterator[Any]:
    yield yaml.StreamStartEvent()
    yield yaml.DocumentStartEvent(explicit=False)
    yield from _events(data)
    yield yaml.DocumentEndEvent(explicit=False)
    yield yaml.StreamEndEvent()


def _events(data: Any) -> Iterator[Any]:
    if isinstance(data, dict):
        yield yaml.MappingStartEvent(None, None, True, flow_style=not data)
        for key in sorted(data, key=NATURAL):
            yield _string(key)
            yield from _events(data[key])
        yield yaml.MappingEndEvent()
    elif isinstance(data, (list, tuple)):
        yield yaml.SequenceStartEvent(None, None, True, flow_style=not data)
        for item in data:
            yield from _events(item)
        yield yaml.SequenceEndEvent()
    elif isinstance(data, str):
        yield _string(data)
    else:
        yield yaml.ScalarEvent(None, None, (True, False), _plain(data))


def _plain(data: Any) -> str:
    if data is None:
        return "null"
    if isinstance(data, bool):
        return "true" if data else "false"
    if isinstance(data, float):
        return _float(data)
    return str(data)


def _float(value: float) -> str:
    if value == int(value) and abs(value) < 1e21:
        return str(int(value))
    return f"{value:g}" if float(f"{value:g}") == value else repr(value)


def _string(text: str) -> Any:
    style = None
    if "\n" in text:
        style = "|"
    elif not isinstance(value_of(text), str) or _BASE60.fullmatch(text) or _TIME.fullmatch(text) or text == "<<":
        style = '"'
    return yaml.ScalarEvent(None, None, (True, True), text, style=style)


def _compare(a: str, b: str) -> int:
    """Letters after everything else, numbers by their size."""
    for at, (left, right) in enumerate(zip(a, b, strict=False)):
        if left == right:
            continue
        if left.isalpha() or right.isalpha():
            if left.isalpha() and right.isalpha():
                return -1 if left < right else 1
            return -1 if right.isalpha() else 1
        number_a, end_a = _number(a, at, left, right)
        number_b, end_b = _number(b, at, left, right)
        if number_a != number_b:
            return -1 if number_a < number_b else 1
        if end_a != end_b:
            return -1 if end_a < end_b else 1
        return -1 if left < right else 1
    return len(a) - len(b)


def _number(text: str, at: int, left: str, right: str) -> tuple[int, int]:
    number = 0
    if "0" in (left, right):
        before = at - 1
        while before >= 0 and text[before].isdigit():
            if text[before] != "0":
                number = 1
                break
            before -= 1
    end = at
    while end < len(text) and text[end].isdigit():
        number = number * 10 + int(text[end])
        end += 1
    return number, end


NATURAL = cmp_to_key(_compare)
