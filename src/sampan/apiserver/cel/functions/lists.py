"""Kubernetes' lists, sets, and optional values."""

from __future__ import annotations

import itertools
from typing import Any

from sampan.apiserver.cel import values
from sampan.apiserver.cel.functions import operators
from sampan.apiserver.cel.functions.registry import Library
from sampan.apiserver.cel.types import BOOL, DOUBLE, DURATION, INT, UINT, list_of, optional_of, param
from sampan.apiserver.cel.values import NONE, CelError, Optional

_A = param("A")


def add_to(library: Library) -> None:
    items = list_of(_A)
    library.method("isSorted", items, gives=BOOL)(_is_sorted)
    for number in (INT, UINT, DOUBLE, DURATION):
        library.method("sum", list_of(number), gives=number)(_sum)
    library.method("min", items, gives=_A)(lambda found: _extreme(found, "_<_", "min"))
    library.method("max", items, gives=_A)(lambda found: _extreme(found, "_>_", "max"))
    library.method("indexOf", items, _A, gives=INT)(
        lambda found, wanted: next((i for i, v in enumerate(found) if values.equal(v, wanted)), -1)
    )
    library.method("lastIndexOf", items, _A, gives=INT)(
        lambda found, wanted: next((i for i in reversed(range(len(found))) if values.equal(found[i], wanted)), -1)
    )
    library.function("sets.contains", items, items, gives=BOOL)(
        lambda left, right: all(values.contains(left, v) for v in right)
    )
    library.function("sets.equivalent", items, items, gives=BOOL)(
        lambda left, right: (
            all(values.contains(left, v) for v in right) and all(values.contains(right, v) for v in left)
        )
    )
    library.function("sets.intersects", items, items, gives=BOOL)(
        lambda left, right: any(values.contains(left, v) for v in right)
    )
    _optionals(library)


def _is_sorted(found: list[Any]) -> bool:
    return all(operators.compare("_<=_", a, b) for a, b in itertools.pairwise(found))


def _sum(found: list[Any]) -> Any:
    total: Any = 0
    for value in found:
        total = operators.add(total, value) if total != 0 else value
    return total


def _extreme(found: list[Any], better: str, name: str) -> Any:
    if not found:
        raise CelError(f"{name} called on empty list")
    best = found[0]
    for value in found[1:]:
        if operators.compare(better, value, best):
            best = value
    return best


def _optionals(library: Library) -> None:
    maybe = optional_of(_A)
    library.function("optional.of", _A, gives=maybe)(lambda value: Optional(True, value))
    library.function("optional.none", gives=maybe)(lambda: NONE)
    library.function("optional.ofNonZeroValue", _A, gives=maybe)(
        lambda value: NONE if values.is_zero(value) else Optional(True, value)
    )
    library.method("hasValue", maybe, gives=BOOL)(lambda found: found.has)
    library.method("value", maybe, gives=_A)(_value)
    library.method("orValue", maybe, _A, gives=_A)(lambda found, other: found.value if found.has else other)
    library.method("or", maybe, maybe, gives=maybe)(lambda found, other: found if found.has else other)


def _value(found: Optional) -> Any:
    if not found.has:
        raise CelError("optional.none() dereference")
    return found.value
