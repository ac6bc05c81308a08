"""The simulator as a component: `run` until cancelled, or `simulated` for as long as a block of code lasts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from msgspec import Struct, field

from sampan.client.api import Client
from sampan.client.clock import Clock, RealClock
from sampan.simulator.kubelets import Kubelets
from sampan.simulator.nodes import NodeShape, add_nodes, list_nodes, remove_nodes


class SimulatorConfig(Struct, kw_only=True):
    nodes: int = 0  # there shall be at least so many simulated nodes
    shape: NodeShape = field(default_factory=NodeShape)  # of those that are made for it
    workers: int = 32  # Pods that are reported on at the same time


async def run(
    client: Client,
    config: SimulatorConfig,
    *,
    clock: Clock | None = None,
    ready: Callable[[], object] = lambda: None,
) -> None:
    """Until cancelled. `ready` is called when the nodes are there and their Pods are looked after. Nodes stay."""
    clock = clock or RealClock()
    missing = config.nodes - len(await list_nodes(client)) if config.nodes else 0
    if missing > 0:
        await add_nodes(client, missing, config.shape, clock=clock)
    await Kubelets(client, clock, workers=config.workers).run(ready)


@asynccontextmanager
async def simulated(client: Client, count: int, shape: NodeShape | None = None) -> AsyncIterator[list[str]]:
    """`count` nodes more, by their names, that live and take Pods; they and their Pods go at the end."""
    running = asyncio.Event()
    task = asyncio.create_task(run(client, SimulatorConfig(), ready=running.set))
    names: list[str] = []
    try:
        started = asyncio.create_task(running.wait())
        await asyncio.wait((task, started), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            started.cancel()
            task.result()
        names = await add_nodes(client, count, shape)
        yield names
    finally:
        try:
            await remove_nodes(client, names)
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
