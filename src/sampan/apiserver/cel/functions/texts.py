"""The strings library, and Kubernetes' regular expressions."""

from __future__ import annotations

import functools
import json
import math
from typing import Any

from sampan.apiserver.cel import values
from sampan.apiserver.cel.functions import standard
from sampan.apiserver.cel.functions.registry import Library
from sampan.apiserver.cel.types import DYN, INT, STRING, list_of
from sampan.apiserver.cel.values import CelError


def add_to(library: Library) -> None:
    strings = list_of(STRING)
    library.method("charAt", STRING, INT, gives=STRING)(_char_at)
    for takes in ((STRING, STRING), (STRING, STRING, INT)):
        library.method("indexOf", *takes, gives=INT)(_index_of)
        library.method("lastIndexOf", *takes, gives=INT)(_last_index_of)
    library.method("join", strings, gives=STRING)(_join)
    library.method("join", strings, STRING, gives=STRING)(_join)
    library.method("lowerAscii", STRING, gives=STRING)(functools.partial(_cased, 65, 32))
    library.method("upperAscii", STRING, gives=STRING)(functools.partial(_cased, 97, -32))
    library.method("replace", STRING, STRING, STRING, gives=STRING)(str.replace)
    library.method("replace", STRING, STRING, STRING, INT, gives=STRING)(str.replace)
    library.method("split", STRING, STRING, gives=strings)(_split)
    library.method("split", STRING, STRING, INT, gives=strings)(_split)
    library.method("substring", STRING, INT, gives=STRING)(_substring)
    library.method("substring", STRING, INT, INT, gives=STRING)(_substring)
    library.method("trim", STRING, gives=STRING)(str.strip)
    library.method("reverse", STRING, gives=STRING)(lambda text: text[::-1])
    library.method("format", STRING, list_of(DYN), gives=STRING)(_format)
    library.function("strings.quote", STRING, gives=STRING)(lambda text: json.dumps(text, ensure_ascii=False))
    library.function("jsonpatch.escapeKey", STRING, gives=STRING)(
        lambda text: text.replace("~", "~0").replace("/", "~1")
    )
    library.method("find", STRING, STRING, gives=STRING)(_find)
    library.method("findAll", STRING, STRING, gives=strings)(_find_all)
    library.method("findAll", STRING, STRING, INT, gives=strings)(_find_all)


def _char_at(text: str, at: int) -> str:
    if not 0 <= at <= len(text):
        raise CelError(f"index out of range: {at}")
    return text[at : at + 1]


def _index_of(text: str, part: str, start: int = 0) -> int:
    if not 0 <= start <= len(text):
        raise CelError(f"index out of range: {start}")
    return text.find(part, start)


def _last_index_of(text: str, part: str, until: int | None = None) -> int:
    if until is None:
        return text.rfind(part)
    if not 0 <= until <= len(text):
        raise CelError(f"index out of range: {until}")
    return text.rfind(part, 0, until + len(part))


def _join(texts: list[Any], between: str = "") -> str:
    if not all(isinstance(t, str) for t in texts):
        raise CelError("no such overload")
    return between.join(texts)


def _cased(first: int, step: int, text: str) -> str:
    return "".join(chr(ord(c) + step) if first <= ord(c) < first + 26 else c for c in text)


def _split(text: str, mark: str, most: int = -1) -> list[str]:
    if most == 0:
        return []
    if not mark:
        found = list(text)
        return found if most < 0 or len(found) <= most else [*found[: most - 1], "".join(found[most - 1 :])]
    return text.split(mark, most - 1 if most > 0 else -1)


def _substring(text: str, start: int, end: int | None = None) -> str:
    last = len(text) if end is None else end
    if not 0 <= start <= len(text):
        raise CelError(f"index out of range: {start}")
    if not 0 <= last <= len(text):
        raise CelError(f"index out of range: {last}")
    if start > last:
        raise CelError(f"invalid substring range. start: {start}, end: {last}")
    return text[start:last]


def _find(text: str, pattern: str) -> str:
    found = standard.regex(pattern).search(text)
    return found.group() if found else ""


def _find_all(text: str, pattern: str, most: int = -1) -> list[str]:
    found = [m.group() for m in standard.regex(pattern).finditer(text)]
    return found if most < 0 else found[:most]


def _format(pattern: str, given: list[Any]) -> str:
    """`%s %d %f %e %x %X %o %b %%`, with a precision such as `%.3f`."""
    out, at, used = [], 0, 0
    while (mark := pattern.find("%", at)) >= 0:
        out.append(pattern[at:mark])
        at = mark + 1
        precision = None
        if pattern[at : at + 1] == ".":
            start = at = at + 1
            while pattern[at : at + 1].isdigit():
                at += 1
            precision = int(pattern[start:at] or 0)
        verb = pattern[at : at + 1]
        at += 1
        if verb == "%":
            out.append("%")
            continue
        if used >= len(given):
            raise CelError(f"index {used} out of range")
        out.append(_formatted(verb, given[used], precision))
        used += 1
    out.append(pattern[at:])
    return "".join(out)


def _formatted(verb: str, value: Any, precision: int | None) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    match verb:
        case "s":
            return shown(value)
        case "d" if isinstance(value, int) and number:
            return str(int(value))
        case "d" if isinstance(value, float) and not math.isfinite(value):
            return shown(value)
        case "f" if number:
            return f"{value:.{6 if precision is None else precision}f}"
        case "e" if number:
            return f"{value:.{6 if precision is None else precision}e}"
        case "b" if isinstance(value, bool):
            return "1" if value else "0"
        case "b" if isinstance(value, int):
            return f"{int(value):b}"
        case "o" if isinstance(value, int) and number:
            return f"{int(value):o}"
        case "x" | "X":
            if isinstance(value, int) and number:
                text = f"{int(value):x}"
            elif isinstance(value, str | bytes):
                text = (value.encode() if isinstance(value, str) else value).hex()
            else:
                raise CelError(
                    "error during formatting: only integers, byte buffers, and strings can be formatted as hex"
                )
            return text.upper() if verb == "X" else text
        case _ if verb not in "sdfebxXo" or not verb:
            raise CelError(f'could not parse formatting clause: unrecognized formatting clause "{verb}"')
    raise CelError(
        f"error during formatting: {verb} clause can only be used on numbers, was given {values.type_of(value)}"
    )


def shown(value: Any) -> str:
    """A value in `%s`."""
    match value:
        case None:
            return "null"
        case list():
            return "[" + ", ".join(shown(v) for v in value) + "]"
        case dict():
            return "{" + ", ".join(f"{shown(k)}: {shown(v)}" for k, v in sorted(value.items(), key=str)) + "}"
        case bytes():
            return value.decode(errors="replace")
        case float() if math.isinf(value):
            return "Infinity" if value > 0 else "-Infinity"
    return standard.to_string(value)
