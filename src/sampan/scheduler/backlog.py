"""What is still to be said of Pods: why they found no node, or which one. Saying it costs the server a write or two for
each Pod, and nobody waits for it as they wait for their own requests: what is asked of scheduler and server goes first.

While Pods come to be decided on, a few are told at a time, with a rest after them of some times as long as it took. On
an idle server that is soon over; the busier the server, the longer the rest. Once no more Pods come, all that is left
is told as fast as the server takes it. What is no longer true is never said.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from itertools import islice

from sampan.client.clock import Clock
from sampan.scheduler.tasks import Tasks

FEW, MANY = 4, 16  # Pods told at once while others come, and when none do
REST, LONGEST_REST = 4, 0.1  # times what telling the few took; seconds, as kube-scheduler's limit is 25 Pods a second
QUIET = 0.02  # seconds without a decision, after which no more Pods are taken to come

log = logging.getLogger(__name__)
Tell = Callable[[], Awaitable[object]]


class Backlog:
    def __init__(self, tasks: Tasks, clock: Clock) -> None:
        self._tasks = tasks
        self._clock = clock
        self._untold: dict[str, Tell] = {}  # by what it is about; the longest first
        self._working = False
        self._decided_at = 0.0
        self._rested_at = 0.0

    def decided(self) -> None:
        """On some Pod, just now."""
        self._decided_at = self._clock.monotonic()

    def put(self, about: str, tell: Tell) -> None:
        """In place of what was to be said about it before, if that was not said yet."""
        self._untold[about] = tell
        if not self._working:
            self._working = True
            self._tasks.go(self._work())

    def withdraw(self, about: str) -> None:
        self._untold.pop(about, None)

    def __contains__(self, about: str) -> bool:
        return about in self._untold

    async def _work(self) -> None:
        try:
            while self._untold:
                if not self._quiet():
                    await self._rest()
                await self._tell_some(MANY if self._quiet() else FEW)
        finally:
            self._working = False

    async def _rest(self) -> None:
        """Until the rest is over, or no more Pods come."""
        while (left := self._rested_at - self._clock.monotonic()) > 0 and not self._quiet():
            await self._clock.sleep(min(left, QUIET))

    def _quiet(self) -> bool:
        return self._clock.monotonic() - self._decided_at >= QUIET

    async def _tell_some(self, number: int) -> None:
        now = list(islice(self._untold, number))
        began = self._clock.monotonic()
        tellings = (self._untold.pop(about)() for about in now)
        for outcome in await asyncio.gather(*tellings, return_exceptions=True):
            if isinstance(outcome, Exception):  # the others have to be told all the same
                log.error("not told", exc_info=outcome)
        ended = self._clock.monotonic()
        self._rested_at = ended + min((ended - began) * REST, LONGEST_REST)
