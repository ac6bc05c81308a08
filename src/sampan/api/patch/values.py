"""JSON values are compared as JSON: true is not 1, although Python says so."""

from __future__ import annotations

from typing import Any


def equal(a: Any, b: Any) -> bool:
    # Unequal values are the common case, and left at C speed.
    return bool(a == b) and _same_types(a, b)


def _same_types(a: Any, b: Any) -> bool:
    """Whether two values that Python holds equal are so without taking truth for a number."""
    if a is b:
        return True
    if isinstance(a, dict):
        return all(_same_types(v, b[k]) for k, v in a.items())
    if isinstance(a, list):
        return all(_same_types(x, y) for x, y in zip(a, b, strict=True))
    return isinstance(a, bool) == isinstance(b, bool)
