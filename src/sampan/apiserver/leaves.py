"""Values that JSON's types do not check: bytes are base64, times are RFC 3339.

Each kind's such fields are known as a tree, so that looking costs only where something is. Times in another zone or
with a fraction are written as Kubernetes stores them.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from datetime import datetime
from functools import cache
from typing import Any

from sampan.api import times
from sampan.api.schema import FieldSchema, type_schema

Tree = dict[str, Any]
_DEEPEST = 10
_EACH = "*"
_LEAVES = frozenset(("string:byte", "time", "microtime"))
_TIME = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\dZ")
_MICROTIME = re.compile(_TIME.pattern[:-1] + r"\.\d{6}Z")
_LAYOUTS = {"time": "2006-01-02T15:04:05Z07:00", "microtime": "2006-01-02T15:04:05.000000Z07:00"}


class BadLeaf(Exception):
    """The message is Go's."""


@cache
def leaves_of(reference: str) -> Tree:
    """`{"data": {"*": "string:byte"}, "metadata": {"creationTimestamp": "time", …}}` of a Secret."""
    return _struct(reference, ())


def _struct(reference: str, above: tuple[str, ...]) -> Tree:
    if reference in above or len(above) > _DEEPEST:
        return {}
    tree: Tree = {}
    for name, field in type_schema(reference).fields.items():
        found = _field(field, (*above, reference))
        if found:
            tree[name] = found
    return tree


def _field(field: FieldSchema, above: tuple[str, ...]) -> Any:
    if field.leaf in _LEAVES:
        return field.leaf
    if field.item is not None:
        found = _field(field.item, above)
        return {_EACH: found} if found else None
    return _struct(field.ref, above) if field.ref else None


def check(reference: str, plain: dict[str, Any]) -> bool:
    """Raises `BadLeaf`. Whether something in `plain` was written differently and is now as Kubernetes has it."""
    return _walk(plain, leaves_of(reference))


def _walk(value: Any, tree: Tree) -> bool:
    changed = False
    each = tree.get(_EACH)
    if each is not None:
        pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, item in list(pairs):
            changed |= _look(value, key, item, each)
    elif isinstance(value, dict):
        for key, item in list(value.items()):
            below = tree.get(key)
            if below is not None:
                changed |= _look(value, key, item, below)
    return changed


def _look(holder: Any, key: Any, item: Any, below: Any) -> bool:
    if not isinstance(below, str):
        return _walk(item, below)
    if not isinstance(item, str):
        return False
    if below == "string:byte":
        _check_base64(item)
        return False
    if (_TIME if below == "time" else _MICROTIME).fullmatch(item):
        return False
    holder[key] = _canonical_time(item, below)
    return True


def _canonical_time(text: str, leaf: str) -> str | None:
    """Null for the empty string, as Go has it."""
    if not text:
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        parsed = None
    if parsed is None or parsed.tzinfo is None or "T" not in text or (leaf == "microtime" and "." not in text):
        layout = _LAYOUTS[leaf]
        rest, wanted = ("Z", ".000000") if parsed is not None and leaf == "microtime" else (text, "2006")
        raise BadLeaf(f'parsing time "{text}" as "{layout}": cannot parse "{rest}" as "{wanted}"')
    try:
        return times.text_of(parsed, micro=leaf == "microtime")
    except OverflowError:
        raise BadLeaf(f'parsing time "{text}": year outside of range') from None


def _check_base64(text: str) -> None:
    """Go's decoder passes over line ends."""
    clean = text.replace("\n", "").replace("\r", "")
    try:
        if len(clean) % 4:
            raise ValueError("not padded as it should be")
        b64decode(clean, validate=True)
    except (binascii.Error, ValueError):
        at = next((i for i, c in enumerate(clean) if not (c.isascii() and (c.isalnum() or c in "+/"))), len(clean))
        at = at if at < len(clean) else max(0, len(clean) - len(clean) % 4)
        raise BadLeaf(f"illegal base64 data at input byte {at}") from None
