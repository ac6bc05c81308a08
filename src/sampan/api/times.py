"""Times on the wire: RFC 3339 with whole seconds (`2026-01-02T03:04:05Z`), and MicroTime with six digits."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import lru_cache

from sampan.api import durations
from sampan.api.goquote import quote

Timestamp = float


class TimeError(ValueError):
    """A string that is no time."""


def text_of(moment: datetime, *, micro: bool = False) -> str:
    """A moment that knows its zone, as a Time or MicroTime. Years have four digits, also the first ones."""
    plain = moment.astimezone(UTC).replace(tzinfo=None)
    return plain.isoformat(timespec="microseconds" if micro else "seconds") + "Z"


@lru_cache(maxsize=256)
def _seconds_text(seconds: int) -> str:
    return text_of(datetime.fromtimestamp(seconds, UTC))


def format(at: Timestamp) -> str:  # noqa: A001  (the module is the name space: times.format)
    """Seconds since the epoch as a Time; fractions are cut off."""
    return _seconds_text(int(at // 1))


def format_micro(at: Timestamp) -> str:
    """Seconds since the epoch as a MicroTime."""
    whole = int(at // 1)
    micros = int((at - whole) * 1_000_000)
    return f"{_seconds_text(whole)[:-1]}.{micros:06d}Z"


def format_nano(at_nanoseconds: int) -> str:
    """Nanoseconds since the epoch as RFC 3339, as container logs stamp their lines: trailing zeros are left out."""
    whole, part = divmod(at_nanoseconds, 1_000_000_000)
    text = _seconds_text(whole)[:-1]
    return f"{text}.{part:09d}".rstrip("0") + "Z" if part else f"{text}Z"


def now() -> str:
    return format(time.time())


def now_micro() -> str:
    return format_micro(time.time())


@lru_cache(maxsize=4096)
def parse(text: str) -> Timestamp:
    """Seconds since the epoch of a Time, a MicroTime or any RFC 3339 time with an offset."""
    try:
        if len(text) < 20 or text[10] not in "Tt":
            raise ValueError
        if "." in text:
            head, _, tail = text.partition(".")
            digits = len(tail) - len(tail.lstrip("0123456789"))
            text_read = f"{head}.{tail[:digits][:6].ljust(6, '0')}{tail[digits:]}"
            if not digits:
                raise ValueError
        else:
            text_read = text
        read = datetime.fromisoformat(text_read)
        if read.tzinfo is None:
            raise ValueError
    except ValueError:
        said = f'parsing time {quote(text)} as "2006-01-02T15:04:05Z07:00": cannot parse {quote(text)} as "2006"'
        raise TimeError(said) from None
    return read.timestamp()


def is_valid(text: str) -> bool:
    try:
        parse(text)
    except TimeError:
        return False
    return True


def age(since: str | None, *, at: Timestamp | None = None) -> str:
    """How long ago, as kubectl's AGE column says it; `<unknown>` without a time."""
    if not since:
        return "<unknown>"
    return durations.human((time.time() if at is None else at) - parse(since))
