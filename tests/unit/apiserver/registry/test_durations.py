"""How long ago, as kubectl says it."""

import pytest

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
