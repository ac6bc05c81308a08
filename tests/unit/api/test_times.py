"""Durations and times as Go and kubectl read and print them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.api import durations, times


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1h30m", 5400),
        ("1.5s", 1.5),
        ("-2m", -120),
        ("0", 0),
        ("100ms", 0.1),
        ("1h0m0s", 3600),
        (".5h", 1800),
        ("+3s", 3),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert durations.parse(text) == seconds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", 'time: invalid duration ""'),
        ("x", 'time: invalid duration "x"'),
        (".", 'time: invalid duration "."'),
        ("1", 'time: missing unit in duration "1"'),
        ("1d", 'time: unknown unit "d" in duration "1d"'),
        ("99999999999h", 'time: invalid duration "99999999999h"'),
    ],
)
def test_what_is_no_duration(text: str, message: str) -> None:
    with pytest.raises(durations.DurationError) as refused:
        durations.parse(text)
    assert str(refused.value) == message


@given(st.integers(-(10**17), 10**17))
def test_durations_round_trip(nanoseconds: int) -> None:
    assert durations.parse_nanoseconds(durations.format_nanoseconds(nanoseconds)) == nanoseconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (125, "2m5s"),
        (599, "9m59s"),
        (600, "10m"),
        (10_799, "179m"),
        (10_800, "3h"),
        (11_100, "3h5m"),
        (28_800, "8h"),
        (172_799, "47h"),
        (172_800, "2d"),
        (176_400, "2d1h"),
        (8 * 86_400, "8d"),
        (800 * 86_400, "2y70d"),
        (730 * 86_400, "2y"),
        (9 * 365 * 86_400, "9y"),
    ],
)
def test_ages(seconds: float, text: str) -> None:
    assert durations.human(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(59, "59s"), (60, "1m"), (3600, "1h"), (86_400, "1d"), (366 * 86_400, "1y")]
)
def test_short_ages(seconds: float, text: str) -> None:
    assert durations.short_human(seconds) == text


def test_times() -> None:
    assert times.format(0) == "1970-01-01T00:00:00Z"
    assert times.format(1.999) == "1970-01-01T00:00:01Z"
    assert times.format_micro(1.5) == "1970-01-01T00:00:01.500000Z"
    assert times.format_nano(1_500_000_000) == "1970-01-01T00:00:01.5Z"
    assert times.parse("1970-01-01T00:00:01Z") == 1
    assert times.parse("1970-01-01T00:00:01.250000Z") == 1.25
    assert times.parse("1970-01-01T09:00:01+09:00") == 1
    assert times.parse("1970-01-01T00:00:01.123456789Z") == 1.123456
    assert times.age("1970-01-01T00:00:00Z", at=90) == "90s"
    assert times.age(None) == "<unknown>"
    assert times.is_valid(times.now())
    assert times.is_valid(times.now_micro())


@pytest.mark.parametrize(
    "text", ["", "x", "2026-01-02", "2026-01-02T03:04:05", "2026-13-02T03:04:05Z", "2026-01-02T03:04:05.Z"]
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(times.TimeError, match="parsing time"):
        times.parse(text)
