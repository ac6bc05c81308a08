"""All complete runs of the bench, one a line in `history.jsonl`, and how the figures of the budgets went, drawn."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench import plot
from bench.table import BUDGETS

FILE = Path(__file__).parent / "history.jsonl"
PLOTS = Path(__file__).parent / "plots"


def keep(record: Mapping[str, Any]) -> None:
    with FILE.open("a") as file:
        file.write(json.dumps(dict(record)) + "\n")
    draw()


def runs() -> list[dict[str, Any]]:
    return [json.loads(line) for line in FILE.read_text().splitlines()] if FILE.exists() else []


def draw() -> None:
    """One small chart a budget: the runs in order, and the line that must be held."""
    found = runs()
    charts = []
    for name, budget in BUDGETS.items():
        points = [(float(n), run["figures"][name]) for n, run in enumerate(found, 1) if name in run["figures"]]
        if points:
            ends = [(1.0, budget.must), (float(len(found)), budget.must)]
            charts.append(plot.Chart(name, "run", "", {"measured": points, "must": ends}, logarithmic=False))
    if charts:
        PLOTS.mkdir(exist_ok=True)
        (PLOTS / "history.svg").write_text(plot.svg(charts, columns=4))
