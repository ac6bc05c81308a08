"""`--sort-by`: rows and objects in the order of what a JSONPath finds in them."""

from __future__ import annotations

from functools import cmp_to_key
from typing import Any

from sampan.cli.printers.jsonpath import JsonPath, relaxed

MISSING = object()


def sorted_rows(rows: list[dict[str, Any]], field: str) -> list[dict[str, Any]]:
    keys = _keys([row.get("object") or {} for row in rows], field)
    if all(key is MISSING for key in keys):
        return []  # kubectl finds nothing to show then
    return [rows[index] for index in _order(keys)]


def sorted_objects(objects: list[dict[str, Any]], field: str) -> list[dict[str, Any]]:
    from sampan.cli.errors import CliError

    keys = _keys(objects, field)
    if all(key is MISSING for key in keys):
        raise CliError(f'couldn\'t find any field with path "{relaxed(field)}" in the list of objects')
    return [objects[index] for index in _order(keys)]


def _keys(objects: list[dict[str, Any]], field: str) -> list[Any]:
    path = JsonPath(relaxed(field), missing_ok=True)
    keys = []
    for obj in objects:
        values = path.values(obj)
        keys.append(values[0] if values else MISSING)
    return keys


def _order(keys: list[Any]) -> list[int]:
    def order(a: int, b: int) -> int:
        return _compare(keys[a], keys[b])

    return sorted(range(len(keys)), key=cmp_to_key(order))


def _compare(a: Any, b: Any) -> int:
    """What is missing comes first; quantities and times by their size, texts in natural order."""
    if a is MISSING or b is MISSING or a is None or b is None:
        return (a is not MISSING and a is not None) - (b is not MISSING and b is not None)
    if isinstance(a, str) and isinstance(b, str):
        by_size = _as_quantities(a, b)
        if by_size is not None:
            return by_size
        natural_a, natural_b = _natural(a), _natural(b)
        return (natural_a > natural_b) - (natural_a < natural_b)
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return int(a > b) - int(a < b)
    return (str(a) > str(b)) - (str(a) < str(b))


def _as_quantities(a: str, b: str) -> int | None:
    from sampan.api.quantity import QuantityError, compare

    try:
        return compare(a, b)
    except QuantityError:
        return None


def _natural(text: str) -> list[tuple[int, int, str]]:
    """`a2` before `a10`."""
    import re

    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.findall(r"\d+|\D+", text)]
