"""Columns of custom resources: simple JSON paths (`.spec.size`, `.status.conditions[?(@.type=="Ready")].status`)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from sampan.api import durations

_STEP = re.compile(
    r"""\.?\['([^']+)'\]|\.?\["([^"]+)"\]|\[(\d+|\*)\]|\[\?\(@\.([\w.-]+)\s*==\s*["']([^"']*)["']\)\]|\.((?:\\\.|[^.\[\]])+)"""
)


def lookup(value: Any, path: str) -> list[Any]:
    """Everything that the path leads to."""
    found = [value]
    for match in _STEP.finditer(path if path.startswith((".", "[")) else f".{path}"):
        quoted, double, index, key, wanted, plain = match.groups()
        name = quoted or double or (plain.replace("\\.", ".") if plain else None)
        after: list[Any] = []
        for one in found:
            if name is not None:
                if isinstance(one, dict) and name in one:
                    after.append(one[name])
            elif not isinstance(one, list):
                continue
            elif index == "*":
                after += one
            elif index is not None:
                after += one[int(index) : int(index) + 1]
            else:
                after += [i for i in one if lookup(i, f".{key}") == [wanted]]
        found = after
    return found


def cell(value: dict[str, Any], path: str, kind: str, now: datetime) -> Any:
    """One cell, of the column's type; nothing when the path leads nowhere."""
    found = lookup(value, path)
    if not found or found[0] is None:
        return None
    first = found[0]
    match kind:
        case "integer":
            return int(first) if isinstance(first, int | float) and not isinstance(first, bool) else None
        case "number":
            return first if isinstance(first, int | float) else None
        case "boolean":
            return first if isinstance(first, bool) else None
        case "date":
            try:
                at = datetime.fromisoformat(str(first))
            except ValueError:
                return "<invalid>"
            return durations.human((now - at.astimezone(UTC)).total_seconds())
    if len(found) > 1:
        return ",".join(_text(f) for f in found)
    return _text(first)


def _text(value: Any) -> str:
    import msgspec

    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return msgspec.json.encode(value).decode()
