"""Cron schedules: five fields, or a word such as @daily. Objections are worded as CronJobs' authors know them."""

from __future__ import annotations

import re
from typing import NamedTuple

from sampan.api.goquote import quote

_DURATION = re.compile(
    r"[-+]?(\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)((\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h))*"
).fullmatch
_WORDS = frozenset(("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"))
_MONTHS = {
    n: i for i, n in enumerate(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1)
}
_DAYS = {n: i for i, n in enumerate(["sun", "mon", "tue", "wed", "thu", "fri", "sat"])}


class ScheduleError(ValueError):
    """A text that is no schedule."""


class Bounds(NamedTuple):
    low: int
    high: int
    names: dict[str, int]


_FIELDS = (Bounds(0, 59, {}), Bounds(0, 23, {}), Bounds(1, 31, {}), Bounds(1, 12, _MONTHS), Bounds(0, 6, _DAYS))


class Schedule(NamedTuple):
    """The minutes, hours, days of the month, months and days of the week that it fires on; `every` for @every."""

    fields: tuple[frozenset[int], ...] = ()
    any_day: bool = True
    any_weekday: bool = True
    every: str = ""


def parse_schedule(text: str) -> Schedule:
    spec = text
    if spec.startswith(("TZ=", "CRON_TZ=")):
        _, _, spec = spec.partition(" ")
        spec = spec.strip()
    if not spec:
        raise ScheduleError("empty spec string")
    if spec.startswith("@"):
        return _word(spec)
    parts = spec.split()
    if len(parts) != 5:
        raise ScheduleError(f"expected exactly 5 fields, found {len(parts)}: [{' '.join(parts)}]")
    fields = tuple(_field(part, bounds) for part, bounds in zip(parts, _FIELDS, strict=True))
    return Schedule(fields, _starred(parts[2]), _starred(parts[4]))


def _starred(part: str) -> bool:
    return any(p.split("/")[0].split("-")[0] in ("*", "?") for p in part.split(","))


def _word(spec: str) -> Schedule:
    if spec in _WORDS:
        minutes = "0"
        hours, day, month, weekday = {
            "@yearly": ("0", "1", "1", "*"), "@annually": ("0", "1", "1", "*"), "@monthly": ("0", "1", "*", "*"),
            "@weekly": ("0", "*", "*", "0"), "@daily": ("0", "*", "*", "*"), "@midnight": ("0", "*", "*", "*"),
            "@hourly": ("*", "*", "*", "*"),
        }[spec]  # fmt: skip
        return parse_schedule(f"{minutes} {hours} {day} {month} {weekday}")
    if spec.startswith("@every "):
        length = spec.removeprefix("@every ")
        if not _DURATION(length):
            raise ScheduleError(f"failed to parse duration {spec}: time: invalid duration {quote(length)}")
        return Schedule(every=length)
    raise ScheduleError(f"unrecognized descriptor: {spec}")


def _field(text: str, bounds: Bounds) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        if part:
            found.update(_range(part, bounds))
    return frozenset(found)


def _range(text: str, bounds: Bounds) -> range:
    parts = text.split("/")
    ends = parts[0].split("-")
    single = len(ends) == 1
    if ends[0] in ("*", "?"):
        start, end = bounds.low, bounds.high
    else:
        start = _value(ends[0], bounds)
        if len(ends) == 1:
            end = start
        elif len(ends) == 2:
            end = _value(ends[1], bounds)
        else:
            raise ScheduleError(f"too many hyphens: {text}")
    if len(parts) == 1:
        step = 1
    elif len(parts) == 2:
        step = _number(parts[1])
        if single and ends[0] not in ("*", "?"):
            end = bounds.high
    else:
        raise ScheduleError(f"too many slashes: {text}")
    if start < bounds.low:
        raise ScheduleError(f"beginning of range ({start}) below minimum ({bounds.low}): {text}")
    if end > bounds.high:
        raise ScheduleError(f"end of range ({end}) above maximum ({bounds.high}): {text}")
    if start > end:
        raise ScheduleError(f"beginning of range ({start}) beyond end of range ({end}): {text}")
    if step == 0:
        raise ScheduleError(f"step of range should be a positive number: {text}")
    return range(start, end + 1, step)


def _value(text: str, bounds: Bounds) -> int:
    named = bounds.names.get(text.lower())
    return named if named is not None else _number(text)


def _number(text: str) -> int:
    try:
        found = int(text)
    except ValueError:
        raise ScheduleError(
            f"failed to parse int from {text}: strconv.Atoi: parsing {quote(text)}: invalid syntax"
        ) from None
    if found < 0:
        raise ScheduleError(f"negative number ({found}) not allowed: {text}")
    return found
