"""The YAML that tools write into kubeconfig files, read without a YAML library, whose import is an eighth of a command.

Block mappings, block lists and plain one-line scalars: that is all. Whatever else turns up (quotes with escapes, flows,
anchors, comments behind values, block scalars, words that YAML may take for something else) gives None, and the caller
asks the real library. So this never has to know YAML well, only to know when it does not.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

# A scalar that cannot mean anything but its own text: begins with a letter, or with a digit or slash and is no number.
_TEXT = re.compile(
    r"[A-Za-z/][A-Za-z0-9_./+=@:*,~-]*(?: [A-Za-z0-9_./+=@:*,~-]+)*|[0-9]+[A-Za-z+/][A-Za-z0-9+/]{19,}={0,2}"
)
_KEY = re.compile(r"([A-Za-z][A-Za-z0-9_./-]*|\"[A-Za-z0-9_./-]*\"):(?: +(.*))?")
_WORDS = frozenset(("y", "n", "yes", "no", "on", "off", "null", "true", "false"))
_LITERALS: dict[str, Any] = {"true": True, "false": False, "null": None, "{}": {}, "[]": [], '""': "", "''": ""}


class _Unsure(Exception):
    """It takes the real library."""


class _Line(NamedTuple):
    indent: int
    text: str


def load(content: str) -> Any:
    """The data, or None when it takes the real library."""
    lines = []
    for line in content.split("\n"):
        text = line.strip(" ")
        if not text or text.startswith("#"):
            continue
        if "\t" in line or "\r" in line or text == "---" or not line.isprintable():
            return None
        lines.append(_Line(len(line) - len(line.lstrip(" ")), text.rstrip()))
    try:
        value, end = _block(lines, 0, 0)
    except _Unsure:
        return None
    return value if end == len(lines) else None


def _block(lines: list[_Line], at: int, indent: int) -> tuple[Any, int]:
    if at >= len(lines) or lines[at].indent != indent:
        raise _Unsure
    return _list(lines, at, indent) if _is_item(lines[at]) else _mapping(lines, at, indent)


def _list(lines: list[_Line], at: int, indent: int) -> tuple[list[Any], int]:
    items: list[Any] = []
    while at < len(lines) and lines[at].indent == indent and _is_item(lines[at]):
        text = lines[at].text[1:]
        inner = text.lstrip(" ")
        if not inner:
            raise _Unsure
        if _KEY.fullmatch(inner):
            # `- key: value` begins a mapping whose other keys stand under this one.
            column = indent + 1 + len(text) - len(inner)
            lines[at] = _Line(column, inner)
            value, at = _mapping(lines, at, column)
            items.append(value)
        else:
            items.append(_scalar(inner))
            at += 1
    return items, at


def _mapping(lines: list[_Line], at: int, indent: int) -> tuple[dict[str, Any], int]:
    found: dict[str, Any] = {}
    while at < len(lines) and lines[at].indent == indent and not _is_item(lines[at]):
        match = _KEY.fullmatch(lines[at].text)
        if match is None:
            raise _Unsure
        key, rest = match[1].strip('"'), match[2]
        if key in found or (key.lower() in _WORDS and match[1] == key):
            raise _Unsure
        at += 1
        if rest:
            found[key] = _scalar(rest)
        elif at < len(lines) and (lines[at].indent > indent or (lines[at].indent == indent and _is_item(lines[at]))):
            found[key], at = _block(lines, at, lines[at].indent)
        else:
            found[key] = None
    if at < len(lines) and lines[at].indent > indent:
        raise _Unsure  # a scalar that goes on, or a mistake
    return found, at


def _is_item(line: _Line) -> bool:
    return line.text == "-" or line.text.startswith("- ")


def _scalar(text: str) -> Any:
    if text in _LITERALS:
        value = _LITERALS[text]
        return value if not isinstance(value, (dict, list)) else type(value)()
    if text[0] == text[-1] and text[0] in "\"'" and len(text) > 1:
        inner = text[1:-1]
        if "\\" in inner or text[0] in inner:
            raise _Unsure
        return inner
    if text.lower() in _WORDS or ": " in text or text.endswith(":") or not _TEXT.fullmatch(text):
        raise _Unsure
    return text
