"""What processes use: CPU time, memory, wake-ups, open files, threads. From /proc, so only of this machine."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple


def family(pids: Iterable[int]) -> list[int]:
    """These and all that they started; without containers' monitors, which belong to the containers."""
    found = list(pids)
    for pid in found:
        for thread in _threads(pid):
            found += [int(child) for child in (thread / "children").read_text().split()]
    return [pid for pid in found if Path(f"/proc/{pid}/comm").read_text().strip() != "conmon"]


def cpu_seconds(pids: Iterable[int]) -> float:
    """To the nanosecond: what an idle process uses in a while is less than one tick of /proc/PID/stat."""
    return sum(int((t / "schedstat").read_text().split()[0]) for pid in pids for t in _threads(pid)) / 1e9


def wake_ups(pids: Iterable[int]) -> int:
    """How often their threads have gone to sleep of their own will, which is how often they were woken."""
    return sum(_status(thread / "status", "voluntary_ctxt_switches") for pid in pids for thread in _threads(pid))


class Holdings(NamedTuple):
    """What leaks, if anything does."""

    memory_mb: float
    files: int
    threads: int
    processes: int


def holdings(pids: Iterable[int]) -> Holdings:
    pids = list(pids)
    files = sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids)
    return Holdings(memory_mb(pids), files, sum(len(_threads(pid)) for pid in pids), len(pids))


def memory_mb(pids: Iterable[int]) -> float:
    """Without counting pages twice that several share."""
    return sum(_status(Path(f"/proc/{pid}/smaps_rollup"), "Pss") for pid in pids) / 1024


def _threads(pid: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return []


def _status(file: Path, field: str) -> int:
    found = re.search(rf"^{field}:\s+(\d+)", file.read_text(), re.MULTILINE)
    assert found is not None, f"no {field} in {file}"
    return int(found[1])
