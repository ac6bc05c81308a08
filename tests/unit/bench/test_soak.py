"""What the soak calls growth: a level that is higher in the end, not a cluster that fills what it keeps."""

from collections.abc import Sequence

from bench.soak import ALLOWED, Reading, grown


def readings(memory: Sequence[float], files: Sequence[float]) -> list[Reading]:
    rest = dict.fromkeys(ALLOWED, 1.0)
    return [{**rest, "memory, MB": m, "open files": f} for m, f in zip(memory, files, strict=True)]


def over(found: dict[str, tuple[float, float, bool]]) -> list[str]:
    return [name for name, (_, _, too_much) in found.items() if too_much]


def test_what_fills_at_first_and_then_stays_is_no_growth() -> None:
    assert (
        over(grown(readings([50, 80, 100, 120, 120, 121, 120, 122, 121], [10, 60, 60, 61, 60, 59, 60, 60, 61]))) == []
    )


def test_what_goes_on_growing_is() -> None:
    assert over(grown(readings([100 + 20 * n for n in range(9)], [60 + 9 * n for n in range(9)]))) == [
        "memory, MB",
        "open files",
    ]


def test_few_readings_are_compared_too() -> None:
    found = grown(readings([100, 100, 400], [1, 1, 1]))
    assert found["memory, MB"] == (100, 400, True)
