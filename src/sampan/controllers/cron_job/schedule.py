"""Cron schedules: `*/5 0-6 1,15 * MON`, `@hourly`, `@every 90s`. When one is due next. Pure.

As in cron, a day matches by its number or by its weekday when both are restricted, and by both otherwise.
"""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

from msgspec import Struct

from sampan.api.durations import parse as parse_duration

NAMED = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
MONTHS = {
    n: i for i, n in enumerate(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1)
}
DAYS = {n: i for i, n in enumerate(["sun", "mon", "tue", "wed", "thu", "fri", "sat"])}
LONGEST = 5 * 366  # days to look ahead


class BadSchedule(ValueError):
    pass


class Schedule(Struct, frozen=True, kw_only=True):
    minutes: frozenset[int] = frozenset()
    hours: frozenset[int] = frozenset()
    days: frozenset[int] = frozenset()
    months: frozenset[int] = frozenset()
    weekdays: frozenset[int] = frozenset()
    any_day: bool = True
    any_weekday: bool = True
    every: float = 0.0  # seconds; for @every

    def next_after(self, moment: datetime) -> datetime | None:
        """The first time after `moment`, in its time zone."""
        if self.every:
            step = max(1.0, self.every)
            return moment.replace(microsecond=0) + timedelta(seconds=step)
        zone = moment.tzinfo
        local = moment.replace(second=0, microsecond=0, tzinfo=None) + timedelta(minutes=1)
        for _ in range(LONGEST):
            if self._day_matches(local):
                found = self._in_day(local, moment, zone)
                if found is not None:
                    return found
            local = (local + timedelta(days=1)).replace(hour=0, minute=0)
        return None

    def _in_day(self, local: datetime, moment: datetime, zone: tzinfo | None) -> datetime | None:
        for hour in sorted(h for h in self.hours if h >= local.hour):
            first = local.minute if hour == local.hour else 0
            for minute in sorted(m for m in self.minutes if m >= first):
                candidate = local.replace(hour=hour, minute=minute, tzinfo=zone)
                if candidate > moment:  # an hour that the clocks go back over comes once
                    return candidate
        return None

    def _day_matches(self, local: datetime) -> bool:
        if local.month not in self.months:
            return False
        by_day, by_weekday = local.day in self.days, (local.isoweekday() % 7) in self.weekdays
        if self.any_day or self.any_weekday:
            return by_day and by_weekday
        return by_day or by_weekday


def parse(text: str) -> Schedule:
    text = text.strip()
    if text.startswith("@every "):
        return Schedule(every=parse_duration(text.removeprefix("@every ").strip()))
    text = NAMED.get(text, text)
    fields = text.split()
    if len(fields) != 5:
        raise BadSchedule(f"expected exactly 5 fields, found {len(fields)}: [{text}]")
    weekdays = _field(fields[4], 0, 7, DAYS)
    return Schedule(
        minutes=_field(fields[0], 0, 59),
        hours=_field(fields[1], 0, 23),
        days=_field(fields[2], 1, 31),
        months=_field(fields[3], 1, 12, MONTHS),
        weekdays=frozenset(d % 7 for d in weekdays),
        any_day=fields[2].startswith(("*", "?")),
        any_weekday=fields[4].startswith(("*", "?")),
    )


def _field(text: str, low: int, high: int, names: dict[str, int] | None = None) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, _, step_text = part.partition("/")
        step = int(step_text) if step_text.isdigit() else 1
        if step < 1 or (step_text and not step_text.isdigit()):
            raise BadSchedule(f"bad step in {text!r}")
        if span in ("*", "?"):
            first, last = low, high
        else:
            begin, _, end = span.partition("-")
            first = _number(begin, names, text)
            last = _number(end, names, text) if end else (high if step_text else first)
        if not low <= first <= last <= high:
            raise BadSchedule(f"{text!r} is out of range [{low}, {high}]")
        found.update(range(first, last + 1, step))
    return frozenset(found)


def _number(text: str, names: dict[str, int] | None, whole: str) -> int:
    if text.isdigit():
        return int(text)
    named = (names or {}).get(text.lower()[:3])
    if named is None:
        raise BadSchedule(f"failed to parse number {text!r} in {whole!r}")
    return named
