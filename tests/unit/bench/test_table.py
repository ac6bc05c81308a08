"""What the bench says about a figure: which way is better, and what it reaches."""

import pytest

from bench import table
from bench.table import BUDGETS, Budget


@pytest.mark.parametrize(
    ("name", "less"),
    [
        ("start to readyz, s", True),
        ("one Pod to Ready, p50 ms", True),
        ("idle memory, MB", True),
        ("idle CPU, % of a core", True),
        ("idle wake-ups, /min", True),
        ("watch fan-out, CPU per delivery, µs", True),
        ("create Pods, 1 client, CPU ms", True),
        ("server's CPU for it, 100 nodes, ms a Pod", True),
        ("Pod to Pod round trip, % of veth+bridge", True),
        ("create Pods, 1 client, /s", False),
        ("writes/s, 16 writers", False),
        ("DNS questions/s on one core", False),
        ("unpack 100 MB gzip, % of tar's speed", False),
    ],
)
def test_which_way_is_better(name: str, less: bool) -> None:
    assert table.less_is_better(name) is less


@pytest.mark.parametrize(("figure", "said"), [(0.4, "aim reached"), (0.9, "ok"), (1.1, "MISSED")])
def test_verdict_of_a_time(figure: float, said: str) -> None:
    assert table.verdict("start, s", figure, Budget(1.0, 0.5)) == said


@pytest.mark.parametrize(("figure", "said"), [(50, "aim reached"), (30, "ok"), (19, "MISSED")])
def test_verdict_of_a_rate(figure: float, said: str) -> None:
    assert table.verdict("Pods, /s", figure, Budget(20, 40)) == said


def test_without_an_aim_the_budget_alone_decides() -> None:
    assert table.verdict("Pods, /s", 1000, Budget(20)) == "ok"


def test_every_aim_is_stricter_than_what_must_be() -> None:
    for name, budget in BUDGETS.items():
        assert budget.aim is None or table.times_better(name, budget.aim, budget.must) > 1, name


def test_a_line_tells_how_much_better_than_kubernetes() -> None:
    line = table.lines({"idle memory, MB": 140.0}, BUDGETS)[1]
    assert line.endswith("5.0 x  ok")


def test_compare_shows_what_only_one_run_has() -> None:
    made = table.compared({"a, s": 2.0, "gone, s": 1.0}, {"a, s": 1.0, "new, s": 3.0})
    assert [line.split() for line in made[1:]] == [
        ["a,", "s", "2.00", "1.00", "2.00", "x"],
        ["gone,", "s", "1.00", "-"],
        ["new,", "s", "-", "3.00"],
    ]
