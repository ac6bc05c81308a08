"""Fields that carry bytes: in JSON they are base64, which the type alone does not check."""

from __future__ import annotations

import binascii
from base64 import b64decode
from functools import cache
from typing import Any

from sampan.api.schema import FieldSchema, type_schema

Path = tuple[str, ...]
_DEEPEST = 8
_EACH = "*"


@cache
def paths_of(reference: str) -> tuple[Path, ...]:
    """Where a kind has such fields: `("data", "*")` of a Secret."""
    found: list[Path] = []
    _collect(reference, (), (), found)
    return tuple(found)


def _collect(reference: str, path: Path, above: Path, found: list[Path]) -> None:
    if reference in above or len(above) > _DEEPEST:
        return
    for name, field in type_schema(reference).fields.items():
        _field(field, (*path, name), (*above, reference), found)


def _field(field: FieldSchema, path: Path, above: Path, found: list[Path]) -> None:
    if field.leaf == "string:byte":
        found.append(path)
    elif field.item is not None:
        _field(field.item, (*path, _EACH), above, found)
    elif field.ref and "ObjectMeta" not in field.ref:
        _collect(field.ref, path, above, found)


def wrong(reference: str, plain: Any) -> str:
    """What is wrong with the first value that is no base64; empty when all are."""
    for path in paths_of(reference):
        if said := _check(plain, path):
            return said
    return ""


def _check(value: Any, path: Path) -> str:
    if not path:
        return _base64_error(value) if isinstance(value, str) else ""
    step, rest = path[0], path[1:]
    if step == _EACH:
        parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return next((said for part in parts if (said := _check(part, rest))), "")
    return _check(value[step], rest) if isinstance(value, dict) and step in value else ""


def _base64_error(text: str) -> str:
    """Go's decoder passes over line ends."""
    clean = text.replace("\n", "").replace("\r", "")
    try:
        b64decode(clean, validate=True)
    except (binascii.Error, ValueError):
        at = next((i for i, c in enumerate(clean) if not (c.isascii() and (c.isalnum() or c in "+/"))), len(clean))
        return f"illegal base64 data at input byte {at if at < len(clean) else max(0, len(clean) - len(clean) % 4)}"
    return ""
