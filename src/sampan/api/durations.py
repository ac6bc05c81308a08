"""Durations: Go's (`1h30m`, as flags and the API write them) and kubectl's short ages (`5d3h`)."""

from __future__ import annotations

import re

_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_SECOND = 1_000_000_000
_MAX = 2**63 - 1
_term = re.compile(r"([0-9]*)(\.[0-9]*)?([^0-9.]*)").match


class DurationError(ValueError):
    """A string that is no duration; the message is Go's."""


def parse_nanoseconds(text: str) -> int:
    """`1h30m`, `1.5s`, `-2m`, `0`."""
    rest = text[1:] if text[:1] in ("-", "+") else text
    if rest == "0":
        return 0
    if not rest:
        raise DurationError(f'time: invalid duration "{text}"')
    total, at = 0, 0
    while at < len(rest):
        matched = _term(rest, at)
        assert matched is not None
        whole, part, unit = matched.groups()
        if not whole and not (part or "").strip("."):
            raise DurationError(f'time: invalid duration "{text}"')
        if not unit:
            raise DurationError(f'time: missing unit in duration "{text}"')
        if unit not in _UNITS:
            raise DurationError(f'time: unknown unit "{unit}" in duration "{text}"')
        size = _UNITS[unit]
        total += int(whole or "0") * size
        digits = (part or ".")[1:]
        if digits:
            total += int(digits) * size // int(10 ** len(digits))
        if total > _MAX:
            raise DurationError(f'time: invalid duration "{text}"')
        at = matched.end()
    return -total if text[0] == "-" else total


def parse(text: str) -> float:
    """The same in seconds."""
    return parse_nanoseconds(text) / _SECOND


def format_nanoseconds(nanoseconds: int) -> str:
    """As Go prints it: `1h0m0s`, `1.5s`, `100ms`, `0s`."""
    if nanoseconds == 0:
        return "0s"
    sign, left = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    if left < _SECOND:
        for unit in ("ms", "µs", "ns"):
            if left >= _UNITS[unit]:
                return f"{sign}{_decimal(left, _UNITS[unit])}{unit}"
    minutes, left = divmod(left, _UNITS["m"])
    hours, minutes = divmod(minutes, 60)
    seconds = f"{_decimal(left, _SECOND)}s"
    if hours:
        return f"{sign}{hours}h{minutes}m{seconds}"
    return f"{sign}{minutes}m{seconds}" if minutes else f"{sign}{seconds}"


def format(seconds: float) -> str:  # noqa: A001  (the module is the name space: durations.format)
    return format_nanoseconds(round(seconds * _SECOND))


def _decimal(amount: int, unit: int) -> str:
    whole, part = divmod(amount, unit)
    if not part:
        return str(whole)
    return f"{whole}.{str(part).zfill(len(str(unit)) - 1).rstrip('0')}"


def human(seconds: float) -> str:
    """An age as kubectl's columns show it: two units while they matter, one when they do not."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    if whole < 0:
        return "0s"
    if whole < 120:
        return f"{whole}s"
    minutes = whole // 60
    if minutes < 10:
        return _pair(minutes, "m", whole % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    hours = whole // 3600
    if hours < 8:
        return _pair(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    days = hours // 24
    if hours < 24 * 8:
        return _pair(days, "d", hours % 24, "h")
    if hours < 24 * 365 * 2:
        return f"{days}d"
    years = days // 365
    return _pair(years, "y", days % 365, "d") if hours < 24 * 365 * 8 else f"{years}y"


def short_human(seconds: float) -> str:
    """An age in one unit."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    if whole < 60:
        return f"{max(whole, 0)}s"
    if whole < 3600:
        return f"{whole // 60}m"
    hours = whole // 3600
    if hours < 24:
        return f"{hours}h"
    return f"{hours // 24}d" if hours < 24 * 365 else f"{hours // 24 // 365}y"


def _pair(first: int, first_unit: str, second: int, second_unit: str) -> str:
    return f"{first}{first_unit}{second}{second_unit}" if second else f"{first}{first_unit}"
