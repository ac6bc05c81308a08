"""`python -m bench [ROW…]` measures and prints one table; `python -m bench compare A B` shows what changed between two
of the JSON files it wrote. See README.md here for how each row is measured.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from bench import table
from bench.table import BUDGETS, Budget

OUT = Path(__file__).parent / "out"
# Modules that can be run alone as well, with budgets of their own.
PARTS = ("apiserver", "scheduling", "controllers", "storage", "images", "network", "runtime")
CLUSTER_ROWS = ("start", "idle", "pods", "cli")
ROWS = (*CLUSTER_ROWS, *PARTS)


def measure(row: str) -> dict[str, float]:
    if row in CLUSTER_ROWS:
        cluster = import_module("bench.cluster")
        with cluster.fresh() as made:
            return dict(getattr(cluster, row)(made))
    return _PART_RUNS[row]()


@contextmanager
def _folder() -> Iterator[Path]:
    where = os.environ.get("SAMPAN_BENCH_DIR", "/var/tmp")
    with tempfile.TemporaryDirectory(prefix="sampan-bench-", dir=where) as name:
        yield Path(name)


def _apiserver() -> dict[str, float]:
    from bench.apiserver import Bench

    with _folder() as folder:
        bench = Bench(folder)
        try:
            return bench.run()
        finally:
            if bench.process is not None and bench.process.poll() is None:
                bench.stop()


def _controllers() -> dict[str, float]:
    from bench.controllers import run

    return run()


def _scheduling() -> dict[str, float]:
    from bench.scheduling import run

    with _folder() as folder:
        return run(folder)


def _storage() -> dict[str, float]:
    from bench.storage import run

    return run()


def _images() -> dict[str, float]:
    from bench.images import run

    with _folder() as folder:
        return run(folder)


def _network() -> dict[str, float]:
    from bench.network import run

    return run()


def _runtime() -> dict[str, float]:
    from bench.runtime import measure as run

    return asyncio.run(run())


_PART_RUNS: dict[str, Callable[[], dict[str, float]]] = {
    "apiserver": _apiserver, "scheduling": _scheduling, "controllers": _controllers,
    "storage": _storage, "images": _images, "network": _network,
    "runtime": _runtime,
}  # fmt: skip


@functools.cache
def budgets(part: str) -> dict[str, Budget]:
    """Those of the design, and a part's own for what the design does not name."""
    own = import_module(f"bench.{part}").TARGETS if part in PARTS else {}
    return {**{name: Budget(must) for name, must in own.items()}, **BUDGETS}


def run(rows: list[str]) -> int:
    figures: dict[str, float] = {}
    failed: dict[str, str] = {}
    for row in rows:
        began = time.monotonic()
        try:
            found = measure(row)
        except Exception as error:  # one row that fails leaves the others their turn
            failed[row] = f"{type(error).__name__}: {error}"
            print(f"\n{row}: FAILED: {failed[row]}", flush=True)
            continue
        figures |= found
        print(f"\n{row} ({time.monotonic() - began:.0f} s, load {os.getloadavg()[0]:.1f})")
        print("\n".join(table.lines(found, budgets(row))), flush=True)
    OUT.mkdir(exist_ok=True)
    file = OUT / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    file.write_text(json.dumps({"figures": figures, "failed": failed}, indent=1) + "\n")
    print(f"\n{file}")
    return 1 if failed else 0


def compare(before: str, after: str) -> int:
    first, second = (json.loads(Path(name).read_text())["figures"] for name in (before, after))
    print("\n".join(table.compared(first, second)))
    return 0


def main(argv: list[str]) -> int:
    if argv[:1] == ["compare"]:
        if len(argv) != 3:
            sys.exit("usage: python -m bench compare A.json B.json")
        return compare(argv[1], argv[2])
    unknown = [row for row in argv if row not in ROWS]
    if unknown:
        sys.exit(f"no such row: {', '.join(unknown)}; there are: {', '.join(ROWS)}")
    if os.geteuid() != 0:
        sys.exit("the bench starts a cluster with Pods: run it as root")
    return run(argv or list(ROWS))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
