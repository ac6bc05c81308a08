"""Workers that take keys from a queue and reconcile them.

A reconciler reads, decides, acts and returns; it is told a key and nothing of what happened. What it raises is retried
with back-off, except `TerminalError`, which nothing but a change of the object can mend.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable
from typing import NamedTuple, TypeVar

from sampan.api.errors import Conflict
from sampan.client.workqueue import RateLimitingQueue, ShutDown

K = TypeVar("K", bound=Hashable)
log = logging.getLogger(__name__)


class TerminalError(Exception):
    """Trying again cannot help."""


class Requeue(NamedTuple):
    """A reconciler's wish to be asked again, although nothing failed."""

    after: float


Reconcile = Callable[[K], Awaitable[Requeue | float | None]]


async def run_workers(
    queue: RateLimitingQueue[K],
    reconcile: Reconcile[K],
    concurrency: int = 1,
    *,
    name: str = "",
    on_error: Callable[[K, Exception], object] | None = None,
) -> None:
    """Runs until the queue is shut down, or until it is cancelled."""
    async with asyncio.TaskGroup() as group:
        for index in range(concurrency):
            group.create_task(_worker(queue, reconcile, name, on_error), name=f"{name or 'worker'}-{index}")


async def _worker(
    queue: RateLimitingQueue[K],
    reconcile: Reconcile[K],
    name: str,
    on_error: Callable[[K, Exception], object] | None,
) -> None:
    while True:
        try:
            key = await queue.get()
        except ShutDown:
            return
        try:
            await process(queue, key, reconcile, name=name, on_error=on_error)
        finally:
            queue.done(key)
        # A reconciler that found everything in its cache did not suspend: let the others of this loop run.
        await asyncio.sleep(0)


async def process(
    queue: RateLimitingQueue[K],
    key: K,
    reconcile: Reconcile[K],
    *,
    name: str = "",
    on_error: Callable[[K, Exception], object] | None = None,
) -> None:
    """One key, once; what comes after is put in the queue."""
    try:
        again = await reconcile(key)
    except TerminalError as error:
        log.error("%s: %s: %s (not retried)", name, key, error)
        queue.forget(key)
        if on_error is not None:
            on_error(key, error)
    except Exception as error:
        # A conflict only says that the cache was behind: worth a retry, not a line in everybody's log.
        level = logging.DEBUG if isinstance(error, Conflict) else logging.WARNING
        log.log(level, "%s: %s: %s: %s", name, key, type(error).__name__, error, exc_info=level > logging.INFO)
        queue.add_rate_limited(key)
        if on_error is not None:
            on_error(key, error)
    else:
        queue.forget(key)
        if again is not None:
            queue.add_after(key, again.after if isinstance(again, Requeue) else again)
