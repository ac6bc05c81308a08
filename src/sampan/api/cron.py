"""Cron schedules, as a CronJob's author writes them: `*/5 0-6 1,15 * MON`, `@hourly`, `@every 90s`.

`parse` objects in the words that Kubernetes' users know; `Schedule.next_after` tells when it fires next. As in cron, a
day matches by its number or by its weekday when both are restricted, and by both otherwise. Where the clocks go
forward, a time that does not exist is skipped; where they go back, a time that comes twice fires twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import NamedTuple

from msgspec import Struct

from sampan.api import durations
from sampan.api.goquote import quote

_WORDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_MONTHS = {
    n: i for i, n in enumerate(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1)
}
_WEEKDAYS = {n: i for i, n in enumerate(["sun", "mon", "tue", "wed", "thu", "fri", "sat"])}
_LOOK_AHEAD = 5 * 366  # days; a schedule such as `0 0 30 2 *` never fires
_SECOND = 1_000_000_000


class ScheduleError(ValueError):
    """A text that is no schedule; the message says why."""


class _Bounds(NamedTuple):
    low: int
    high: int
    names: dict[str, int]


_FIELDS = (
    _Bounds(0, 59, {}),
    _Bounds(0, 23, {}),
    _Bounds(1, 31, {}),
    _Bounds(1, 12, _MONTHS),
    _Bounds(0, 6, _WEEKDAYS),
)


class Schedule(Struct, frozen=True, kw_only=True):
    """The minutes, hours, days of the month, months and days of the week that it fires on."""

    minutes: frozenset[int] = frozenset()
    hours: frozenset[int] = frozenset()
    days: frozenset[int] = frozenset()
    months: frozenset[int] = frozenset()
    weekdays: frozenset[int] = frozenset()
    any_day: bool = True
    any_weekday: bool = True
    every: int = 0  # seconds, for @every; the sets above are empty then

    def next_after(self, moment: datetime) -> datetime | None:
        """The first time after `moment`, told in its time zone; None when there is none within five years."""
        if self.every:
            return (moment.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=self.every)).astimezone(
                moment.tzinfo
            )
        zone = moment.tzinfo or UTC
        first_day = moment.date()
        for offset in range(_LOOK_AHEAD):
            day = first_day + timedelta(days=offset)
            if not self._day_matches(day):
                continue
            for hour in sorted(self.hours):
                if offset == 0 and hour < moment.hour:
                    continue
                later = [t for t in self._times(day, hour, zone) if t > moment.astimezone(UTC)]
                if later:
                    return min(later).astimezone(zone)
        return None

    def _times(self, day: date, hour: int, zone: tzinfo) -> Iterator[datetime]:
        """The moments (in UTC) of one hour on the clock: none where it is skipped, twice as many where it repeats."""
        for minute in self.minutes:
            local = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
            for moment in {local.astimezone(UTC), local.replace(fold=1).astimezone(UTC)}:
                back = moment.astimezone(zone)
                if (back.hour, back.minute) == (hour, minute):
                    yield moment

    def _day_matches(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        by_day, by_weekday = day.day in self.days, (day.isoweekday() % 7) in self.weekdays
        return by_day and by_weekday if self.any_day or self.any_weekday else by_day or by_weekday


def parse(text: str) -> Schedule:
    """Raises `ScheduleError`. A leading `TZ=…` is read over: the time zone has a field of its own."""
    spec = text
    if spec.startswith(("TZ=", "CRON_TZ=")):
        _, _, spec = spec.partition(" ")
        spec = spec.strip()
    if not spec:
        raise ScheduleError("empty spec string")
    if spec.startswith("@every "):
        return Schedule(every=_period(spec))
    if spec.startswith("@"):
        if spec not in _WORDS:
            raise ScheduleError(f"unrecognized descriptor: {spec}")
        spec = _WORDS[spec]
    parts = spec.split()
    if len(parts) != len(_FIELDS):
        raise ScheduleError(f"expected exactly 5 fields, found {len(parts)}: [{' '.join(parts)}]")
    minutes, hours, days, months, weekdays = (_field(part, bounds) for part, bounds in zip(parts, _FIELDS, strict=True))
    return Schedule(
        minutes=minutes,
        hours=hours,
        days=days,
        months=months,
        weekdays=weekdays,
        any_day=_starred(parts[2]),
        any_weekday=_starred(parts[4]),
    )


def _period(spec: str) -> int:
    """`@every 1m30s`: whole seconds, one at least."""
    length = spec.removeprefix("@every ")
    try:
        nanoseconds = durations.parse_nanoseconds(length)
    except durations.DurationError as error:
        raise ScheduleError(f"failed to parse duration {spec}: {error}") from None
    return max(1, nanoseconds // _SECOND)


def _starred(part: str) -> bool:
    return any(p.split("/")[0].split("-")[0] in ("*", "?") for p in part.split(","))


def _field(text: str, bounds: _Bounds) -> frozenset[int]:
    return frozenset(value for part in text.split(",") if part for value in _range(part, bounds))


def _range(text: str, bounds: _Bounds) -> range:
    """One part of a field: `*`, `7`, `1-5`, `*/10`, `3/4` (from three on), `mon-fri`."""
    parts = text.split("/")
    ends = parts[0].split("-")
    if len(ends) > 2:
        raise ScheduleError(f"too many hyphens: {text}")
    if len(parts) > 2:
        raise ScheduleError(f"too many slashes: {text}")
    starred = ends[0] in ("*", "?")
    start = bounds.low if starred else _value(ends[0], bounds)
    open_ended = starred or (len(ends) == 1 and len(parts) == 2)
    end = bounds.high if open_ended else _value(ends[-1], bounds)
    step = _number(parts[1]) if len(parts) == 2 else 1
    if start < bounds.low:
        raise ScheduleError(f"beginning of range ({start}) below minimum ({bounds.low}): {text}")
    if end > bounds.high:
        raise ScheduleError(f"end of range ({end}) above maximum ({bounds.high}): {text}")
    if start > end:
        raise ScheduleError(f"beginning of range ({start}) beyond end of range ({end}): {text}")
    if step == 0:
        raise ScheduleError(f"step of range should be a positive number: {text}")
    return range(start, end + 1, step)


def _value(text: str, bounds: _Bounds) -> int:
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
