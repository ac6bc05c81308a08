"""What operators do with two values."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from sampan.apiserver.cel import values
from sampan.apiserver.cel.values import CelError, Duration, Timestamp, UInt

_PLAIN = (bool, UInt, Duration, Timestamp)


def _kind(value: Any) -> str:
    match value:
        case bool():
            return "bool"
        case UInt():
            return "uint"
        case Duration():
            return "duration"
        case Timestamp():
            return "timestamp"
        case int():
            return "int"
        case float():
            return "double"
        case str():
            return "string"
        case bytes():
            return "bytes"
        case list():
            return "list"
    return "other"


def add(left: Any, right: Any) -> Any:
    match _kind(left), _kind(right):
        case "int", "int":
            return values.in_range(left + right)
        case ("string", "string") | ("bytes", "bytes") | ("double", "double"):
            return left + right
        case "list", "list":
            return _joined(left, right)
        case "uint", "uint":
            return values.in_unsigned_range(int(left) + int(right))
        case "duration", "duration":
            return Duration(values.in_range(int(left) + int(right)))
        case ("timestamp", "duration") | ("duration", "timestamp"):
            return values.timestamp_in_range(int(left) + int(right))
    raise CelError("no such overload")


def _joined(left: list[Any], right: list[Any]) -> list[Any]:
    """Lists that are sets or maps keep being so: what comes later takes the place of what is the same."""
    if isinstance(left, values.SetList):
        return values.SetList([*left, *(v for v in right if not values.contains(left, v))])
    if isinstance(left, values.MapList):
        newer = {left.key_of(v): v for v in right}
        merged = values.MapList([newer.pop(left.key_of(v), v) for v in left] + list(newer.values()))
        merged.keys = left.keys
        return merged
    return [*left, *right]


def subtract(left: Any, right: Any) -> Any:
    match _kind(left), _kind(right):
        case "int", "int":
            return values.in_range(left - right)
        case "double", "double":
            return left - right
        case "uint", "uint":
            return values.in_unsigned_range(int(left) - int(right))
        case ("duration", "duration") | ("timestamp", "timestamp"):
            return Duration(values.in_range(int(left) - int(right)))
        case "timestamp", "duration":
            return values.timestamp_in_range(int(left) - int(right))
    raise CelError("no such overload")


def multiply(left: Any, right: Any) -> Any:
    match _kind(left), _kind(right):
        case "int", "int":
            return values.in_range(left * right)
        case "uint", "uint":
            return values.in_unsigned_range(int(left) * int(right))
        case "double", "double":
            return left * right
    raise CelError("no such overload")


def divide(left: Any, right: Any) -> Any:
    match _kind(left), _kind(right):
        case ("int", "int") | ("uint", "uint"):
            if right == 0:
                raise CelError("division by zero")
            whole = abs(int(left)) // abs(int(right))
            if isinstance(left, UInt):
                return UInt(whole)
            return values.in_range(whole if (left < 0) == (right < 0) else -whole)
        case "double", "double":
            if right == 0:
                return math.nan if left == 0 or math.isnan(left) else math.copysign(math.inf, left * (right or 1.0))
            return left / right
    raise CelError("no such overload")


def remainder(left: Any, right: Any) -> Any:
    match _kind(left), _kind(right):
        case ("int", "int") | ("uint", "uint"):
            if right == 0:
                raise CelError("modulus by zero")
            rest = abs(int(left)) % abs(int(right))
            return UInt(rest) if isinstance(left, UInt) else (-rest if left < 0 else rest)
    raise CelError("no such overload")


def negate(value: Any) -> Any:
    match _kind(value):
        case "int":
            return values.in_range(-value)
        case "double":
            return -value
    raise CelError("no such overload")


_NUMBERS = frozenset(("int", "uint", "double"))
_ORDERED = frozenset(("bool", "string", "bytes", "duration", "timestamp"))
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "_<_": lambda a, b: a < b,
    "_<=_": lambda a, b: a <= b,
    "_>_": lambda a, b: a > b,
    "_>=_": lambda a, b: a >= b,
}


def compare(operator: str, left: Any, right: Any) -> bool:
    first, second = _kind(left), _kind(right)
    if (first in _NUMBERS and second in _NUMBERS) or (first == second and first in _ORDERED):
        return bool(_COMPARE[operator](left, right))
    raise CelError("no such overload")


def is_in(wanted: Any, found: Any) -> bool:
    if isinstance(found, list):
        return values.contains(found, wanted)
    if isinstance(found, dict):
        return not isinstance(wanted, list | dict) and any(values.equal(k, wanted) for k in (wanted,) if k in found)
    raise CelError("no such overload")


def index(found: Any, at: Any) -> Any:
    if isinstance(found, values.Optional):
        return optional_index(found, at)
    if isinstance(found, list):
        if isinstance(at, float) and at.is_integer():
            at = int(at)
        if isinstance(at, bool) or not isinstance(at, int):
            raise CelError("no such overload")
        if not 0 <= at < len(found):
            raise CelError(f"index out of bounds: {int(at)}")
        return found[at]
    if isinstance(found, dict):
        if isinstance(at, list | dict) or at not in found:
            raise CelError(f"no such key: {at}")
        return found[at]
    raise CelError("no such overload")


def optional_index(found: Any, at: Any) -> values.Optional:
    if isinstance(found, values.Optional):
        if not found.has:
            return values.NONE
        found = found.value
    try:
        return values.Optional(True, index(found, at))
    except CelError as error:
        if str(error) == "no such overload":
            raise
        return values.NONE
