"""Names that expressions cannot write as they are, and how they write them: `foo-bar` is `foo__dash__bar`."""

from __future__ import annotations

import re

_WORDS = """
    as break const continue else false for function if import in let loop null package namespace return true var void
    while
"""
RESERVED = frozenset(_WORDS.split())
KEYWORDS = frozenset(("false", "in", "null", "true"))  # which are no field's name either
_NOT_FIRST = re.compile(r"[^A-Za-z_]")
_OTHER = re.compile(r"[^A-Za-z0-9_./-]")
_MARKS = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
_ORIGINALS = {escaped: original for original, escaped in _MARKS.items()}


def escape(name: str) -> str | None:
    """A property's name as expressions write it; None for one that they cannot."""
    if not name or _NOT_FIRST.match(name) or _OTHER.search(name):
        return None
    if name in RESERVED:
        return f"__{name}__"
    return re.sub(r"__|[./-]", lambda m: _MARKS[m.group()], name)


def unescape(name: str) -> str:
    if name.startswith("__") and name.endswith("__") and name[2:-2] in RESERVED:
        return name[2:-2]
    return re.sub("|".join(_ORIGINALS), lambda m: _ORIGINALS[m.group()], name)
