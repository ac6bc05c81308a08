"""JSON as Go writes it: four spaces, `<>&` escaped, sorted keys for what came from the server."""

from __future__ import annotations

from typing import Any

import msgspec

_ESCAPES = (("&", "\\u0026"), ("<", "\\u003c"), (">", "\\u003e"), ("\u2028", "\\u2028"), ("\u2029", "\\u2029"))


def pretty(data: Any, *, sort_keys: bool = True, indent: int = 4) -> str:
    encoded = msgspec.json.encode(data, order="sorted" if sort_keys else None)
    return escaped(msgspec.json.format(encoded, indent=indent).decode())


def compact(data: Any, *, sort_keys: bool = True) -> str:
    return escaped(msgspec.json.encode(data, order="sorted" if sort_keys else None).decode())


def escaped(text: str) -> str:
    for letter, escape in _ESCAPES:
        if letter in text:  # these can only stand in strings
            text = text.replace(letter, escape)
    return text
