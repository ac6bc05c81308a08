"""Cron schedules: what is one, what is not and why, and when the next start is."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from sampan.api import cron


@pytest.mark.parametrize(
    "text", ["* * * * *", "*/5 0-6,22 1 JAN-mar mon", "@daily", "@every 1h30m", "? ? * * 0", "CRON_TZ=UTC 0 0 * * *"]
)
def test_schedules(text: str) -> None:
    cron.parse(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("5-3 * * * *", "beginning of range (5) beyond end of range (3): 5-3"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("a * * * *", 'failed to parse int from a: strconv.Atoi: parsing "a": invalid syntax'),
        ("@never", "unrecognized descriptor: @never"),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("1/2/3 * * * *", "too many slashes: 1/2/3"),
        ("* * * * 7", "end of range (7) above maximum (6): 7"),
        ("", "empty spec string"),
        ("@every soon", 'failed to parse duration @every soon: time: invalid duration "soon"'),
    ],
)
def test_what_is_no_schedule(text: str, why: str) -> None:
    with pytest.raises(cron.ScheduleError) as caught:
        cron.parse(text)
    assert str(caught.value) == why


@pytest.mark.parametrize(
    ("text", "zone", "after", "following"),
    [
        ("* * * * *", "UTC", "2026-01-02T03:04:05", ["01-02T03:05", "01-02T03:06"]),
        ("*/20 3-4 * * *", "UTC", "2026-01-02T04:30:00", ["01-02T04:40", "01-03T03:00"]),
        ("0 0 * * MON", "UTC", "2026-01-02T03:04:05", ["01-05T00:00", "01-12T00:00"]),
        ("0 0 13 * FRI", "UTC", "2026-02-12T00:00:00", ["02-13T00:00", "02-20T00:00", "02-27T00:00"]),  # either
        ("0 0 */2 * FRI", "UTC", "2026-02-12T00:00:00", ["02-13T00:00", "02-27T00:00"]),  # a star: both
        ("0 0 31 * *", "UTC", "2026-01-31T00:00:00", ["03-31T00:00", "05-31T00:00"]),
        ("@monthly", "Asia/Seoul", "2026-01-02T03:04:05", ["02-01T00:00", "03-01T00:00"]),
        ("@every 90s", "UTC", "2026-01-02T03:04:05", ["01-02T03:05", "01-02T03:07"]),
        ("30 2 * * *", "America/New_York", "2026-03-07T12:00:00", ["03-09T02:30", "03-10T02:30"]),  # 8 March: skipped
        ("30 1 * * *", "America/New_York", "2026-10-31T12:00:00", ["11-01T01:30", "11-01T01:30", "11-02T01:30"]),
    ],
)
def test_when_it_fires(text: str, zone: str, after: str, following: list[str]) -> None:
    schedule, moment = cron.parse(text), datetime.fromisoformat(after).replace(tzinfo=ZoneInfo(zone))
    found = []
    for _ in following:
        later = schedule.next_after(moment)
        assert later is not None
        assert later.timestamp() > moment.timestamp()
        moment = later
        found.append(f"{moment:%m-%dT%H:%M}")
    assert found == following


def test_a_day_that_never_comes() -> None:
    assert cron.parse("0 0 30 2 *").next_after(datetime(2026, 1, 1, tzinfo=ZoneInfo("UTC"))) is None
