"""Writes events in the background: a bounded queue, one write at a time, patient with an absent server."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from sampan.api.errors import AlreadyExists, ApiError, TooManyRequests
from sampan.client.clock import Clock
from sampan.client.transport import TransportError

E = TypeVar("E")
J = TypeVar("J")
log = logging.getLogger(__name__)

QUEUE_LIMIT = 5000
TRIES = 12
RETRY_SECONDS = 10.0


class EventWriter(Generic[E, J]):
    """`decide` makes of each event what is to be written (None: nothing), `write` does it, repeated when it must be."""

    def __init__(
        self, decide: Callable[[E], J | None], write: Callable[[J], Awaitable[None]], *, name: str, clock: Clock
    ) -> None:
        self._decide = decide
        self._write = write
        self._name = name
        self._clock = clock
        self._queue: deque[E] = deque()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None
        self.dropped = 0

    def submit(self, event: E) -> None:
        """Never blocks: what is too much is dropped and counted."""
        if len(self._queue) >= QUEUE_LIMIT:
            self.dropped += 1
            return
        self._queue.append(event)
        self._idle.clear()
        self._wake.set()

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"events of {self._name}")

    async def flush(self) -> None:
        """Wait until all that was submitted so far has been written or given up."""
        await self._idle.wait()

    async def stop(self, *, timeout: float) -> None:
        task, self._task = self._task, None
        if task is None:
            return
        try:
            await asyncio.wait_for(self.flush(), timeout)
        except TimeoutError:
            log.info("%s: %d events were not written", self._name, len(self._queue))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            while self._queue:
                job = self._decide(self._queue.popleft())
                if job is not None:
                    await self._deliver(job)
            self._wake.clear()
            self._idle.set()
            await self._wake.wait()

    async def _deliver(self, job: J) -> None:
        for attempt in range(TRIES):
            try:
                await self._write(job)
                return
            except (TransportError, TooManyRequests) as error:
                log.debug("%s: an event was not written: %s", self._name, error)
                # The first wait is random: all components lost the server at the same time.
                await self._clock.sleep(RETRY_SECONDS * (random.random() if attempt == 0 else 1.0))
            except AlreadyExists:
                return
            except ApiError as error:
                # A namespace that is going takes no new events; nobody waits for them.
                log.debug("%s: an event was refused: %s", self._name, error)
                return
