"""Text into tokens."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from sampan.apiserver.cel.syntax import CelSyntaxError, located

_TOKEN = re.compile(
    r"""
    (?P<space>\s+|//[^\n]*)
  | (?P<text>[bB]?[rR]?(?:\"\"\"(?:[^\\]|\\.)*?\"\"\"|'''(?:[^\\]|\\.)*?'''|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
            |[rR][bB](?:"[^"\n]*"|'[^'\n]*'))
  | (?P<double>(?:\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\.\d+(?:[eE][+-]?\d+)?))
  | (?P<uint>(?:0[xX][0-9a-fA-F]+|\d+)[uU])
  | (?P<int>0[xX][0-9a-fA-F]+|\d+)
  | (?P<ident>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<quoted>`[A-Za-z0-9_./\ -]+`)
  | (?P<op>==|!=|<=|>=|&&|\|\||[-+*/%!<>?:.,()\[\]{}])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|X[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-3][0-7]{2}|.)", re.DOTALL)
_PLAIN = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_SELF = set("\\'\"`?")


class Token(NamedTuple):
    kind: str  # text, bytes, double, uint, int, ident, quoted, op, end
    text: str
    value: Any
    at: int


def tokens(text: str) -> list[Token]:
    found = []
    at = 0
    while at < len(text):
        matched = _TOKEN.match(text, at)
        if matched is None:
            shown = text[at : at + 2].rstrip("\n")
            raise CelSyntaxError(located(text, at, f"Syntax error: token recognition error at: '{shown}'"))
        kind, said = matched.lastgroup or "", matched.group()
        if kind != "space":
            found.append(_token(kind, said, at, text))
        at = matched.end()
    found.append(Token("end", "<EOF>", None, len(text)))
    return found


def _token(kind: str, said: str, at: int, text: str) -> Token:
    match kind:
        case "text":
            return _quoted(said, at, text)
        case "double":
            return Token(kind, said, float(said), at)
        case "uint":
            return Token(kind, said, int(said[:-1], 0 if said[:2] in ("0x", "0X") else 10), at)
        case "int":
            return Token(kind, said, int(said, 0 if said[:2] in ("0x", "0X") else 10), at)
        case "quoted":
            return Token(kind, said, said[1:-1], at)
    return Token(kind, said, said, at)


def _quoted(said: str, at: int, text: str) -> Token:
    prefix = said[: len(said) - len(said.lstrip("bBrR"))].lower()
    body = said[len(prefix) :]
    edge = 3 if body[:3] in ('"""', "'''") else 1
    body = body[edge:-edge]
    is_bytes = "b" in prefix
    if "r" not in prefix:
        body = _ESCAPE.sub(lambda m: _unescape(m, is_bytes, at, text), body)
    if not is_bytes:
        return Token("text", said, body, at)
    # An escaped octet stands for itself, everything else for its UTF-8.
    octets = b"".join(bytes((ord(c) - _OCTETS,)) if ord(c) >= _OCTETS else c.encode() for c in body)
    return Token("bytes", said, octets, at)


_OCTETS = 0x10FF00  # private code points that no text has: where escaped octets of bytes wait


def _unescape(matched: re.Match[str], is_bytes: bool, at: int, text: str) -> str:
    said = matched.group(1)
    if said[0] in "xX":
        return _octet(int(said[1:], 16), is_bytes)
    if said[0] in "uU" and not is_bytes:
        return chr(int(said[1:], 16))
    if len(said) == 3:
        return _octet(int(said, 8), is_bytes)
    if said in _PLAIN:
        return _PLAIN[said]
    if said in _SELF:
        return said
    raise CelSyntaxError(located(text, at, f"Syntax error: token recognition error at: '\\{said}'"))


def _octet(value: int, is_bytes: bool) -> str:
    return chr(_OCTETS + value) if is_bytes else chr(value)
