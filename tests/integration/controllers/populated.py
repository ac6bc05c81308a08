"""A world with everything but containers: controllers, scheduler, simulated nodes, and a clock that may run faster."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from sampan import simulator
from sampan.api.types import core_v1
from sampan.client.clock import Clock, RealClock, Timer
from sampan.scheduler import SchedulerConfig
from sampan.scheduler import run as run_scheduler
from sampan.simulator import NodeShape, SimulatorConfig
from tests.integration.controllers.world import World, world

T = TypeVar("T")


class FastClock:
    """From now on, time runs `factor` times as fast as outside: minutes of waiting are over in seconds."""

    def __init__(self, factor: float) -> None:
        self._factor = factor
        self._began, self._epoch = time.monotonic(), time.time()
        self._real = RealClock()

    def now(self) -> float:
        return self._epoch + self.monotonic()

    def monotonic(self) -> float:
        return (time.monotonic() - self._began) * self._factor

    async def sleep(self, seconds: float) -> None:
        await self._real.sleep(seconds / self._factor)

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Timer:
        return self._real.call_later(seconds / self._factor, callback)


@asynccontextmanager
async def populated(
    tmp_path: Path,
    nodes: int,
    *,
    clock: Clock | None = None,
    shape: NodeShape | None = None,
    run_controllers: bool = True,
    **options: Any,
) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        if run_controllers:
            made.start(clock=clock, **options)
        tasks = [
            asyncio.create_task(run_scheduler(made.client("system:kube-scheduler"), SchedulerConfig())),
            asyncio.create_task(simulator.run(made.admin, SimulatorConfig(), clock=clock)),
        ]
        try:
            await simulator.add_nodes(made.admin, nodes, shape or NodeShape(), clock=clock)
            accounts = made.admin.resource(core_v1.ServiceAccount)
            if run_controllers:
                await made.until(lambda: accounts.get("default", namespace="default"))
            yield made
        finally:
            for task in tasks:
                task.cancel()
            for found in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(found, Exception):
                    raise found
