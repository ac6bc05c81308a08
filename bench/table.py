"""The one table: figures beside their budgets and Kubernetes' own, and what changed between two runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Budget(NamedTuple):
    must: float
    aim: float | None = None
    kubernetes: float | None = None


# Kubernetes' figures were measured on a machine of this kind with real Kubernetes 1.36.2.
BUDGETS = {
    "start to readyz, s": Budget(1.0, 0.5, 2.2),
    "start to node Ready, s": Budget(1.8, 1.0, 8),
    "idle memory, MB": Budget(180, 120, 700),
    "idle CPU, % of a core": Budget(2, 0.5, 7.5),
    "one Pod to Ready, p50 ms": Budget(120, 60, 157),
    "30 Pods at once to Ready, /s": Budget(20, 40, 9.3),
    "sampan get pods, p50 ms": Budget(150, 80, 40),
    "create Pods, 1 client, /s": Budget(1000, 1500, 737),
    "create Pods, 16 clients, /s": Budget(2000, 4000, 1655),
    "get a Pod, 16 clients, /s": Budget(10_000, 15_000, 4376),
    "list 500 Pods, 4 clients, /s": Budget(1000, 2000, 79),
    "list 17,000 Pods, 1 client, /s": Budget(15, 40, 2.9),
    "memory with 17,000 Pods, MB": Budget(350, 200, 1082),
    "create Pods, 1 client, whole, /s": Budget(600, 1000, 310),
    "create Pods, 16 clients, whole, /s": Budget(1300, 2500, 1060),
    "get a Pod, 16 clients, whole, /s": Budget(6000, None, 2600),
    "list 500 Pods, 4 clients, whole, /s": Budget(600, None, 62),
    "schedule 5,000 waiting Pods on 100 nodes, /s": Budget(900, 2000, 850),
    "schedule 5,000 waiting Pods on 5,000 nodes, /s": Budget(400, 1000, 680),
    "create and bind 3,000 Pods on 100 nodes, /s": Budget(500, 1000, 300),
    # Kubernetes: what its own scheduler_perf must reach at 5,000 nodes.
    "5,000 nodes: nodeSelector, /s": Budget(220, None, 220),
    "5,000 nodes: anti-affinity, /s": Budget(60, None, 60),
    "5,000 nodes: affinity, /s": Budget(35, None, 35),
    # Promised where the design names no figure.
    "API server alone, start to readyz, s": Budget(1.0),
    "restart with 17,000 Pods to readyz, s": Budget(1.0),
    "watch fan-out, 100 x 1,000, p99 ms": Budget(20),
    "110 Pods steady, CPU, % of a core": Budget(5),
}
_UNITS_TO_KEEP_LOW = (" s", " ms", " ms a Pod", " MB", " KB", " µs", "/min", "% of a core")


def less_is_better(name: str) -> bool:
    return name.endswith(_UNITS_TO_KEEP_LOW) or "round trip" in name or "cores used" in name


def times_better(name: str, ours: float, theirs: float) -> float:
    """Above 1: ours is better."""
    over, under = (theirs, ours) if less_is_better(name) else (ours, theirs)
    return over / under if under else float("inf")


def verdict(name: str, figure: float, budget: Budget) -> str:
    if budget.aim is not None and times_better(name, figure, budget.aim) >= 1:
        return "aim reached"
    return "ok" if times_better(name, figure, budget.must) >= 1 else "MISSED"


def lines(figures: Mapping[str, float], budgets: Mapping[str, Budget]) -> list[str]:
    made = [f"{'':52}{'measured':>11}{'must':>10}{'aim':>10}{'Kubernetes':>12}{'better by':>11}"]
    for name, figure in figures.items():
        line = f"{name:52}{_number(figure):>11}"
        budget = budgets.get(name)
        if budget is not None:
            theirs = budget.kubernetes
            ratio = f"{times_better(name, figure, theirs):.1f} x" if theirs is not None else ""
            line += f"{_number(budget.must):>10}{_number(budget.aim):>10}{_number(theirs):>12}{ratio:>11}"
            line += f"  {verdict(name, figure, budget)}"
        made.append(line)
    return made


def compared(before: Mapping[str, float], after: Mapping[str, float]) -> list[str]:
    """A figure that only one of the runs has says so."""
    made = [f"{'':52}{'before':>11}{'after':>11}{'better by':>11}"]
    for name in dict.fromkeys((*before, *after)):
        line = f"{name:52}{_number(before.get(name)):>11}{_number(after.get(name)):>11}"
        if name in before and name in after:
            line += f"{times_better(name, after[name], before[name]):>9.2f} x"
        made.append(line)
    return made


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.2f}"
