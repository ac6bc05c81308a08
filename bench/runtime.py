"""How fast sandboxes and containers start, and what an exec costs: `python -m bench.runtime [crun|runc]` (as root).

`measure` returns figures by name. Everything lives in a temporary directory and is removed.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop

from tests.host.runtime.world import World

PODS = 30

# figure → what it must be: at least for rates, at most for times
TARGETS = {
    "sandbox + container alone, p50 ms": 60.0,
    "30 Pods at once, Pods/s": 30.0,
    "exec, p50 ms": 50.0,
    "monitor's own memory, MB": 2.0,
}


async def _p50(count: int, work: Callable[[int], Awaitable[object]]) -> float:
    times = []
    for number in range(count):
        began = time.perf_counter()
        await work(number)
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


async def _rate(works: list[Awaitable[object]]) -> float:
    began = time.perf_counter()
    await asyncio.gather(*works)
    return len(works) / (time.perf_counter() - began)


def _private_memory(pid: int) -> float:
    """In MB: what a process has for itself, without the program's text and what it shares with its like."""
    fields = (line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    return sum(int(field[1]) for field in fields if field[0].startswith("Private_")) / 1024


async def _measure(world: World) -> dict[str, float]:
    namespaces = [world.new_netns() for _ in range(PODS)]
    made: list[str] = []
    containers: list[str] = []

    async def pod(number: int) -> None:
        made.append(await world.sandbox(netns_path=namespaces[number]))
        containers.append(await world.container(made[-1], "sleep", "1000"))

    async def remove(number: int) -> None:
        await world.runtime.remove_sandbox(made[number])

    await pod(0)
    figures = {"sandbox + container alone, p50 ms": await _p50(20, pod)}
    monitor = world.runtime.node.container(containers[0]).record.monitor_pid
    figures["monitor's own memory, MB"] = _private_memory(monitor)
    figures["exec, p50 ms"] = await _p50(30, lambda _: world.runtime.exec_sync(containers[0], ["true"]))
    figures["stop and remove a Pod, p50 ms"] = await _p50(20, remove)
    await remove(20)
    made.clear()
    figures[f"{PODS} Pods at once, Pods/s"] = await _rate([pod(number) for number in range(PODS)])
    figures[f"{PODS} Pods removed at once, Pods/s"] = await _rate([remove(number) for number in range(PODS)])
    return figures


async def measure(oci: str = "") -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="sampan-bench-") as path:
        world = World(Path(path), oci=oci)
        await world.start()
        try:
            return await _measure(world)
        finally:
            await world.close()


def verdict(name: str, figure: float) -> str:
    target = TARGETS.get(name)
    if target is None:
        return ""
    at_most = name.endswith((" ms", " MB"))
    good = figure <= target if at_most else figure >= target
    return f"   must be {'<=' if at_most else '>='} {target:g}: {'ok' if good else 'MISSED'}"


def main(oci: str = "") -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for name, figure in runner.run(measure(oci)).items():
            print(f"{name:40} {figure:8.1f}{verdict(name, figure)}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
