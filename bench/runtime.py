"""How fast sandboxes and containers start, and what an exec costs: `python bench/runtime.py [crun|runc]` (as root).

Prints each figure beside its budget. Everything lives in a temporary directory and is removed.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.host.runtime.world import World


def percentile(values: list[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


async def timed(count: int, work: Callable[[int], Awaitable[object]]) -> list[float]:
    times = []
    for number in range(count):
        began = time.perf_counter()
        await work(number)
        times.append((time.perf_counter() - began) * 1000)
    return times


def show(what: str, values: list[float], budget: str) -> None:
    print(f"{what:44} p50 {statistics.median(values):7.1f} ms   p90 {percentile(values, 0.9):7.1f} ms   {budget}")


async def pod(world: World, netns: str) -> tuple[str, str]:
    sandbox = await world.sandbox(netns_path=netns)
    return sandbox, await world.container(sandbox, "sleep", "1000")


async def measure(world: World) -> None:
    namespaces = [world.new_netns() for _ in range(30)]
    made: list[tuple[str, str]] = []

    async def alone(number: int) -> None:
        made.append(await pod(world, namespaces[number]))

    await alone(0)
    print((await world.runtime.version()).oci_runtime)
    show("sandbox + container, alone", await timed(20, alone), "(budget 60)")
    container = made[0][1]
    show("exec_sync true", await timed(20, lambda _: world.runtime.exec_sync(container, ["true"])), "(budget 50)")
    show("stop + remove a Pod", await timed(20, lambda n: world.runtime.remove_sandbox(made[n][0])), "")
    for sandbox, _ in made[20:]:
        await world.runtime.remove_sandbox(sandbox)
    began = time.perf_counter()
    processor = time.process_time()
    pods = await asyncio.gather(*(pod(world, path) for path in namespaces))
    took, own = time.perf_counter() - began, time.process_time() - processor
    print(f"{'30 Pods at once':44} {30 / took:5.1f} Pods/s ({took * 1000:.0f} ms, ours {own * 1000:.0f} ms of CPU)"
          "   (budget 30/s)")  # fmt: skip
    began = time.perf_counter()
    await asyncio.gather(*(world.runtime.remove_sandbox(sandbox) for sandbox, _ in pods))
    print(f"{'30 Pods removed at once':44} {30 / (time.perf_counter() - began):5.1f} Pods/s")


async def main(oci: str) -> None:
    with tempfile.TemporaryDirectory(prefix="sampan-bench-") as path:
        world = World(Path(path), oci=oci)
        await world.start()
        try:
            await measure(world)
        finally:
            await world.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else ""))
