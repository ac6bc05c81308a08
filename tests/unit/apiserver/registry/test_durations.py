"""How long ago, as kubectl says it; and when a cron schedule comes up."""

import pytest

from sampan.apiserver.registry.batch.schedule import ScheduleError, parse_schedule
from sampan.apiserver.registry.printing import duration

MINUTE, HOUR, DAY = 60, 3600, 86400


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (119, "119s"),
        (2 * MINUTE, "2m"),
        (2 * MINUTE + 5, "2m5s"),
        (10 * MINUTE + 5, "10m"),
        (3 * HOUR, "3h"),
        (3 * HOUR + 7 * MINUTE, "3h7m"),
        (8 * HOUR + 7 * MINUTE, "8h"),
        (47 * HOUR, "47h"),
        (48 * HOUR, "2d"),
        (3 * DAY + 5 * HOUR, "3d5h"),
        (8 * DAY + 5 * HOUR, "8d"),
        (2 * 365 * DAY, "2y"),
        (2 * 365 * DAY + 20 * DAY, "2y20d"),
        (9 * 365 * DAY, "9y"),
    ],
)
def test_durations(seconds: int, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    "text", ["* * * * *", "*/5 0-6,22 1 JAN-mar mon", "@daily", "@every 1h30m", "? ? * * 0", "CRON_TZ=UTC 0 0 * * *"]
)
def test_schedules(text: str) -> None:
    parse_schedule(text)


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
    ],
)
def test_what_is_no_schedule(text: str, why: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        parse_schedule(text)
    assert str(caught.value) == why
