"""The functions of the language itself: sizes, conversions, texts, times."""

from __future__ import annotations

import functools
import math
import re
from datetime import datetime
from typing import Any

from sampan.apiserver.cel import values
from sampan.apiserver.cel.functions.registry import Library
from sampan.apiserver.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    STRING,
    TIMESTAMP,
    TYPE,
    UINT,
    Type,
    list_of,
    map_of,
    param,
)
from sampan.apiserver.cel.values import CelError, Duration, Timestamp, UInt

_A, _B = param("A"), param("B")


def add_to(library: Library) -> None:
    for sized in (STRING, BYTES, list_of(_A), map_of(_A, _B)):
        library.function("size", sized, gives=INT)(len)
        library.method("size", sized, gives=INT)(len)
    _texts(library)
    _conversions(library)
    _times(library)
    library.function("type", _A, gives=TYPE)(lambda value: values.TypeValue(values.type_of(value)))
    library.function("dyn", _A, gives=DYN)(lambda value: value)


def _texts(library: Library) -> None:
    library.method("startsWith", STRING, STRING, gives=BOOL)(str.startswith)
    library.method("endsWith", STRING, STRING, gives=BOOL)(str.endswith)
    library.method("contains", STRING, STRING, gives=BOOL)(lambda text, part: part in text)
    library.method("matches", STRING, STRING, gives=BOOL)(matches)
    library.function("matches", STRING, STRING, gives=BOOL)(matches)


def matches(text: str, pattern: str) -> bool:
    return regex(pattern).search(text) is not None


@functools.lru_cache(maxsize=512)
def regex(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern.replace("\\z", "\\Z"))
    except re.error as error:
        raise CelError(f"error parsing regexp: {error}: `{pattern}`") from None


def _conversions(library: Library) -> None:
    for given in (INT, UINT, DOUBLE, STRING, TIMESTAMP, DURATION):
        library.function("int", given, gives=INT)(to_int)
    for given in (INT, UINT, DOUBLE, STRING):
        library.function("uint", given, gives=UINT)(to_uint)
        library.function("double", given, gives=DOUBLE)(to_double)
    for given in (BOOL, INT, UINT, DOUBLE, STRING, BYTES, TIMESTAMP, DURATION):
        library.function("string", given, gives=STRING)(to_string)
    library.function("bytes", STRING, gives=BYTES)(lambda text: text.encode())
    library.function("bytes", BYTES, gives=BYTES)(lambda octets: octets)
    library.function("bool", BOOL, gives=BOOL)(lambda value: value)
    library.function("bool", STRING, gives=BOOL)(to_bool)
    library.function("timestamp", STRING, gives=TIMESTAMP)(values.parse_timestamp)
    library.function("timestamp", TIMESTAMP, gives=TIMESTAMP)(lambda moment: moment)
    library.function("timestamp", INT, gives=TIMESTAMP)(
        lambda seconds: values.timestamp_in_range(seconds * 1_000_000_000)
    )
    library.function("duration", STRING, gives=DURATION)(values.parse_duration)
    library.function("duration", DURATION, gives=DURATION)(lambda length: length)


def to_int(value: Any) -> int:
    match value:
        case Timestamp():
            return int(value) // 1_000_000_000
        case Duration():
            return int(value)
        case float():
            if math.isnan(value) or not values.LEAST < value < values.MOST:
                raise CelError("integer overflow")
            return int(value)
        case str():
            try:
                return values.in_range(int(value))
            except ValueError:
                raise CelError(f'strconv.ParseInt: parsing "{value}": invalid syntax') from None
    return values.in_range(int(value))


def to_uint(value: Any) -> UInt:
    if isinstance(value, str):
        try:
            return values.in_unsigned_range(int(value))
        except ValueError:
            raise CelError(f'strconv.ParseUint: parsing "{value}": invalid syntax') from None
    if isinstance(value, float) and math.isnan(value):
        raise CelError("unsigned integer overflow")
    return values.in_unsigned_range(int(value))


def to_double(value: Any) -> float:
    try:
        return float(value)
    except ValueError:
        raise CelError(f'strconv.ParseFloat: parsing "{value}": invalid syntax') from None


def to_bool(text: str) -> bool:
    if text in ("true", "TRUE", "True", "t", "1"):
        return True
    if text in ("false", "FALSE", "False", "f", "0"):
        return False
    raise CelError(f'strconv.ParseBool: parsing "{text}": invalid syntax')


def to_string(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case Timestamp():
            return values.format_timestamp(value)
        case Duration():
            return values.format_duration(value)
        case float():
            return format_double(value)
        case bytes():
            try:
                return value.decode()
            except UnicodeDecodeError:
                raise CelError("invalid UTF-8 in bytes, cannot convert to string") from None
        case int():
            return str(int(value))
    return str(value)


def format_double(value: float) -> str:
    """As Go prints it with %g and all the digits it needs."""
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if math.isnan(value):
        return "NaN"
    text = repr(value)
    text = text.removesuffix(".0")
    mantissa, mark, exponent = text.partition("e")
    if not mark:
        return text
    return f"{mantissa}e{exponent[0]}{exponent[1:].lstrip('0').rjust(2, '0')}"


_PARTS = {
    "getFullYear": lambda m: m.year,
    "getMonth": lambda m: m.month - 1,
    "getDate": lambda m: m.day,
    "getDayOfMonth": lambda m: m.day - 1,
    "getDayOfWeek": lambda m: m.isoweekday() % 7,
    "getDayOfYear": lambda m: m.timetuple().tm_yday - 1,
    "getHours": lambda m: m.hour,
    "getMinutes": lambda m: m.minute,
    "getSeconds": lambda m: m.second,
    "getMilliseconds": lambda m: m.microsecond // 1000,
}
_UNITS = {"getHours": 3600 * 10**9, "getMinutes": 60 * 10**9, "getSeconds": 10**9, "getMilliseconds": 10**6}


def _times(library: Library) -> None:
    for name, part in _PARTS.items():
        library.method(name, TIMESTAMP, gives=INT)(functools.partial(_part, part))
        library.method(name, TIMESTAMP, STRING, gives=INT)(functools.partial(_part, part))
    for name, unit in _UNITS.items():
        library.method(name, DURATION, gives=INT)(functools.partial(_count, unit))


def _part(part: Any, moment: Timestamp, zone: str = "UTC") -> int:
    at: datetime = moment.at(zone)
    return int(part(at))


def _count(unit: int, length: Duration) -> int:
    return int(length) // unit if length >= 0 else -(-int(length) // unit)


_SIMPLE = "bool int uint double string bytes list map null_type type optional_type"
TYPE_NAMES: dict[str, Type] = dict.fromkeys([*_SIMPLE.split(), TIMESTAMP.name, DURATION.name], TYPE)
