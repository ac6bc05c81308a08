"""What is wrong with JSON, in the words of Go's library, which counts the bytes that it read."""

from __future__ import annotations

import json

from sampan.api.goquote import quote

_EXPECTED = {
    "Expecting property name enclosed in double quotes": "looking for beginning of object key string",
    "Expecting value": "looking for beginning of value",
    "Expecting ':' delimiter": "after object key",
    "Invalid control character at": "in string literal",
    "Extra data": "after top-level value",
}


def words(text: str, error: json.JSONDecodeError) -> str:
    at = error.pos
    if at >= len(text.rstrip()):
        return "unexpected EOF"
    where = _EXPECTED.get(error.msg)
    if where is None:
        inside = "after object key:value pair" if _in_object(text[:at]) else "after array element"
        where = inside if error.msg == "Expecting ',' delimiter" else error.msg.lower()
    offset = len(text[: at + 1].encode("utf-8", errors="surrogateescape"))
    return f"json: offset {offset}: invalid character {_character(text[at])} {where}"


def _character(letter: str) -> str:
    return {"'": r"'\''", '"': "'\"'"}.get(letter) or f"'{quote(letter)[1:-1]}'"


def _in_object(text: str) -> bool:
    """Whether the innermost bracket that is open is a brace."""
    depth, quoted, at = [], False, 0
    while at < len(text):
        letter = text[at]
        if quoted:
            at += letter == "\\"
            quoted = letter != '"'
        elif letter == '"':
            quoted = True
        elif letter in "{[":
            depth.append(letter)
        elif letter in "}]" and depth:
            depth.pop()
        at += 1
    return bool(depth) and depth[-1] == "{"
