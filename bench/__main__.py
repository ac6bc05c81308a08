"""`python -m bench [ROW…]` measures and prints one table. `show A` prints that of a JSON file it wrote, `compare A B`
shows what changed between two, `plot` draws the history, `growth` measures how costs grow and draws that. README.md
here says how each row is measured.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from bench import history, table
from bench.table import BUDGETS, Budget

OUT = Path(__file__).parent / "out"
# Rows that each take a whole cluster of their own; how fast these start is the row `start`.
CLUSTER_ROWS = ("idle", "pods", "steady", "cli", "whole")
# Modules that can be run alone as well, with budgets of their own.
PARTS = ("apiserver", "fanout", "storage", "etcd", "scheduling", "network", "runtime", "images")
ROWS = (*CLUSTER_ROWS, *PARTS)
# No budget of the design names them, and they take minutes: only when asked for.
WHEN_ASKED_FOR = ("etcd",)

Figures = dict[str, float]


class Run:
    """The rows that were measured, and what they said."""

    def __init__(self) -> None:
        self.figures: Figures = {}
        self.failed: dict[str, str] = {}
        self._starts: list[Figures] = []

    def measure(self, row: str) -> None:
        began = time.monotonic()
        try:
            self.figures |= self._cluster(row) if row in (*CLUSTER_ROWS, "start") else _PARTS[row]()
        except Exception as error:  # one row that fails leaves the others their turn
            self.failed[row] = f"{type(error).__name__}: {error}"
        said = f"FAILED: {self.failed[row]}" if row in self.failed else "done"
        print(f"{row:12}{time.monotonic() - began:5.0f} s   load {os.getloadavg()[0]:.1f}   {said}", flush=True)

    def _cluster(self, row: str) -> Figures:
        cluster = import_module("bench.cluster")
        with cluster.fresh() as made:
            self._starts.append(made.started)
            if row == "start":
                return {}
            measured = import_module("bench.whole").whole if row == "whole" else getattr(cluster, row)
            return dict(measured(made))

    def all(self) -> Figures:
        """With the starts of all clusters that were made on the way: their median."""
        names = self._starts[0] if self._starts else {}
        return {name: statistics.median(one[name] for one in self._starts) for name in names} | self.figures


@contextmanager
def _folder() -> Iterator[Path]:
    where = os.environ.get("SAMPAN_BENCH_DIR", "/var/tmp")
    with tempfile.TemporaryDirectory(prefix="sampan-bench-", dir=where) as name:
        yield Path(name)


def _plain(part: str) -> Callable[[], Figures]:
    return lambda: dict(import_module(f"bench.{part}").run())


def _in_a_folder(part: str) -> Callable[[], Figures]:
    def run() -> Figures:
        with _folder() as folder:
            return dict(import_module(f"bench.{part}").run(folder))

    return run


def _runtime() -> Figures:
    return dict(asyncio.run(import_module("bench.runtime").measure()))


_PARTS: dict[str, Callable[[], Figures]] = {
    **{part: _plain(part) for part in ("apiserver", "fanout", "storage", "etcd", "network")},
    **{part: _in_a_folder(part) for part in ("scheduling", "images")},
    "runtime": _runtime,
}


def budgets() -> dict[str, Budget]:
    """Those of the design, and a part's own for what the design does not name."""
    own: dict[str, float] = {}
    for part in PARTS:
        own |= getattr(import_module(f"bench.{part}"), "TARGETS", {})
    return {**{name: Budget(must) for name, must in own.items()}, **BUDGETS}


def run(rows: list[str]) -> int:
    began, measured = time.monotonic(), Run()
    load = os.getloadavg()[0]
    for row in rows or [row for row in ROWS if row not in WHEN_ASKED_FOR]:
        measured.measure(row)
    figures = measured.all()
    print("\n" + "\n".join(table.lines(figures, budgets())))
    for row, why in measured.failed.items():
        print(f"\n{row} FAILED: {why}")
    OUT.mkdir(exist_ok=True)
    now = time.strftime("%Y%m%d-%H%M%S")
    record = {
        "at": now, "commit": _commit(), "load": [load, os.getloadavg()[0]], "seconds": time.monotonic() - began,
        "figures": figures, "failed": measured.failed,
    }  # fmt: skip
    file = OUT / f"{now}.json"
    file.write_text(json.dumps(record, indent=1) + "\n")
    print(f"\n{file}, {record['seconds']:.0f} s")
    if not rows:
        history.keep(record)
    return 1 if measured.failed else 0


def _commit() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def figures_in(file: str) -> Figures:
    found: Figures = json.loads(Path(file).read_text())["figures"]
    return found


def compare(before: str, after: str) -> int:
    first, second = figures_in(before), figures_in(after)
    print("\n".join(table.compared(first, second)))
    return 0


def main(argv: list[str]) -> int:
    if argv[:1] == ["compare"]:
        if len(argv) != 3:
            sys.exit("usage: python -m bench compare A.json B.json")
        return compare(argv[1], argv[2])
    if argv[:1] == ["show"] and len(argv) == 2:
        print("\n".join(table.lines(figures_in(argv[1]), budgets())))
        return 0
    if argv[:1] == ["plot"]:
        history.draw()
        return 0
    if argv[:1] == ["growth"]:
        return int(import_module("bench.growth").main(argv[1:]))
    unknown = [row for row in argv if row not in (*ROWS, "start")]
    if unknown:
        sys.exit(f"no such row: {', '.join(unknown)}; there are: {', '.join(('start', *ROWS))}")
    if os.geteuid() != 0:
        sys.exit("the bench starts a cluster with Pods: run it as root")
    return run(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
