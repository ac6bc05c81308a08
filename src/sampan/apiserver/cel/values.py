"""What expressions compute with.

bool, str, bytes, float, None and dict are Python's own; an int is within 64 bits; a list is Python's, or one that knows
how its schema compares it. The rest is here.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sampan.api import durations, times
from sampan.api.durations import DurationError

LEAST, MOST = -(2**63), 2**63 - 1
MOST_UNSIGNED = 2**64 - 1
_SECOND = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_TIME, _LAST_TIME = -62135596800 * _SECOND, 253402300799 * _SECOND + 999_999_999


class CelError(Exception):
    """An evaluation that has no value; the message is cel's."""


class UInt(int):
    """An unsigned number: `1u`."""

    __slots__ = ()


class Duration(int):
    """Nanoseconds."""

    __slots__ = ()


class Timestamp(int):
    """Nanoseconds since the epoch."""

    __slots__ = ()

    def at(self, zone: str = "UTC") -> datetime:
        moment = _EPOCH + timedelta(microseconds=int(self) // 1000)
        if zone in ("UTC", "Z", ""):
            return moment
        offset = re.fullmatch(r"([+-]?)(\d\d):(\d\d)", zone)
        if offset:
            minutes = int(offset[2]) * 60 + int(offset[3])
            return moment + timedelta(minutes=-minutes if offset[1] == "-" else minutes)
        try:
            return moment.astimezone(ZoneInfo(zone))
        except (ZoneInfoNotFoundError, ValueError):
            raise CelError(f"unknown time zone {zone}") from None


class TypeValue(str):
    """What `type(x)` gives: it compares by name."""

    __slots__ = ()


class Optional:
    """A value that may be missing: `optional.of(x)`, `self.?field`."""

    __slots__ = ("has", "value")

    def __init__(self, has: bool, value: Any = None) -> None:
        self.has = has
        self.value = value


NONE = Optional(False)


class SetList(list[Any]):
    """A list whose order does not matter: x-kubernetes-list-type: set."""


class MapList(list[Any]):
    """A list whose items are told apart by keys: x-kubernetes-list-type: map."""

    keys: tuple[str, ...] = ()

    def key_of(self, item: Any) -> tuple[Any, ...]:
        return tuple(item.get(k) for k in self.keys) if isinstance(item, dict) else (id(item),)


def in_range(value: int) -> int:
    if LEAST <= value <= MOST:
        return value
    raise CelError("integer overflow")


def in_unsigned_range(value: int) -> UInt:
    if 0 <= value <= MOST_UNSIGNED:
        return UInt(value)
    raise CelError("unsigned integer overflow")


def timestamp_in_range(value: int) -> Timestamp:
    if _FIRST_TIME <= value <= _LAST_TIME:
        return Timestamp(value)
    raise CelError("timestamp overflow")


def parse_timestamp(text: str) -> Timestamp:
    matched = re.fullmatch(r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)", text)
    try:
        if matched is None:
            raise ValueError
        moment = datetime.fromisoformat(matched[1].upper() + matched[3].upper().replace("Z", "+00:00"))
    except ValueError:
        raise CelError(
            f'parsing time "{text}" as "2006-01-02T15:04:05Z07:00": cannot parse "{text}" as "2006"'
        ) from None
    seconds = (moment - _EPOCH) // timedelta(seconds=1)
    return timestamp_in_range(seconds * _SECOND + int((matched[2] or "0").ljust(9, "0")))


def parse_duration(text: str) -> Duration:
    try:
        return Duration(durations.parse_nanoseconds(text))
    except DurationError as error:
        raise CelError(str(error)) from None


def format_timestamp(value: Timestamp) -> str:
    moment = value.at()
    fraction = f"{int(value) % _SECOND:09d}".rstrip("0")
    return times.text_of(moment).removesuffix("Z") + (f".{fraction}" if fraction else "") + "Z"


def format_duration(value: Duration) -> str:
    seconds, rest = divmod(abs(int(value)), _SECOND)
    fraction = f"{rest:09d}".rstrip("0")
    return ("-" if value < 0 else "") + str(seconds) + (f".{fraction}" if fraction else "") + "s"


def type_of(value: Any) -> str:
    match value:
        case None:
            return "null_type"
        case bool():
            return "bool"
        case UInt():
            return "uint"
        case Duration():
            return "google.protobuf.Duration"
        case Timestamp():
            return "google.protobuf.Timestamp"
        case int():
            return "int"
        case float():
            return "double"
        case TypeValue():
            return "type"
        case str():
            return "string"
        case bytes():
            return "bytes"
        case list():
            return "list"
        case dict():
            return "map"
        case Optional():
            return "optional_type"
    return str(getattr(value, "cel_type", type(value).__name__))


def equal(left: Any, right: Any) -> bool:
    """cel's `==`: numbers compare over their types, everything else only with its own."""
    if isinstance(left, bool) or isinstance(right, bool):
        return isinstance(left, bool) and isinstance(right, bool) and left is right
    if isinstance(left, int | float) and isinstance(right, int | float):
        special = (Duration, Timestamp)
        if isinstance(left, special) or isinstance(right, special):
            return type(left) is type(right) and int(left) == int(right)
        return left == right
    if isinstance(left, list) and isinstance(right, list):
        return _equal_lists(left, right)
    if isinstance(left, dict) and isinstance(right, dict):
        return len(left) == len(right) and all(k in right and equal(v, right[k]) for k, v in left.items())
    if isinstance(left, Optional) and isinstance(right, Optional):
        return left.has == right.has and (not left.has or equal(left.value, right.value))
    if isinstance(left, str) and isinstance(right, str):
        return isinstance(left, TypeValue) == isinstance(right, TypeValue) and left == right
    return type(left) is type(right) and bool(left == right)


def _equal_lists(left: list[Any], right: list[Any]) -> bool:
    if len(left) != len(right):
        return False
    if isinstance(left, SetList) or isinstance(right, SetList):
        return all(contains(right, item) for item in left) and all(contains(left, item) for item in right)
    keyed = left if isinstance(left, MapList) else right
    if isinstance(keyed, MapList):
        others = {keyed.key_of(item): item for item in right}
        return all(keyed.key_of(i) in others and equal(i, others[keyed.key_of(i)]) for i in left)
    return all(equal(a, b) for a, b in zip(left, right, strict=True))


def contains(values: list[Any], wanted: Any) -> bool:
    return any(equal(value, wanted) for value in values)


def is_zero(value: Any) -> bool:
    """What `optional.ofNonZeroValue` leaves out."""
    match value:
        case None | "" | b"" | [] | False:
            return True
        case int() | float():
            return value == 0
        case dict():
            return not value
        case Optional():
            return not value.has
    return False
