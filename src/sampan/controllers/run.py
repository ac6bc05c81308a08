"""The entry point of the room: all controllers, on one set of informers, until cancelled."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack

from sampan.client.clock import Clock, RealClock
from sampan.client.leader import LeaderElector
from sampan.client.shared import SharedInformerFactory
from sampan.controllers.config import MANAGER, ControllersConfig, is_enabled
from sampan.controllers.contract import ClientOf, Context, Controller
from sampan.controllers.gate import gated
from sampan.controllers.registry import Row, rows

log = logging.getLogger(__name__)


Observer = Callable[[list[Controller]], object]


async def run(
    client_of: ClientOf, config: ControllersConfig, *, clock: Clock | None = None, made: Observer | None = None
) -> None:
    """`client_of` gives each controller its own identity: the ServiceAccount of that name in kube-system, and for
    `MANAGER` the manager's, which may list and watch everything and elects the leader. `made` is told of the
    controllers before they run: who waits for them has to see their queues."""
    clock = clock or RealClock()
    if not config.elect:
        await run_all(client_of, config, clock, made)
        return
    identity = config.identity or f"{socket.gethostname()}_{os.urandom(8).hex()}"
    elector = LeaderElector(client_of(MANAGER), MANAGER, identity, clock=clock)
    await elector.run(lambda: run_all(client_of, config, clock, made))


async def run_all(
    client_of: ClientOf, config: ControllersConfig, clock: Clock, observer: Observer | None = None
) -> None:
    async with AsyncExitStack() as stack:
        informers = SharedInformerFactory(client_of(MANAGER), clock=clock)
        stack.push_async_callback(informers.stop)
        wanted = [row for row in rows() if is_enabled(row.name, config.controllers)]
        made = [_make(row, client_of, informers, clock, config) for row in wanted]
        if observer is not None:
            observer(made)
        informers.start()
        async with asyncio.TaskGroup() as tasks:
            for controller in made:
                tasks.create_task(run_one(controller), name=f"controller {controller.context.name}")


async def run_one(controller: Controller) -> None:
    """A controller starts on its own informers' first lists, not on everybody's: a new Node must not wait."""
    context = controller.context
    context.start()
    try:
        await asyncio.gather(*(informer.wait_for_sync() for informer in context.awaited))
        await controller.run()
    finally:
        await context.stop()


def _make(
    row: Row, client_of: ClientOf, informers: SharedInformerFactory, clock: Clock, config: ControllersConfig
) -> Controller:
    context = Context(
        name=row.name,
        identity=row.component or row.identity,
        client=gated(client_of(row.identity)),
        informers=informers,
        clock=clock,
        config=config,
    )
    return row.load()(context)
