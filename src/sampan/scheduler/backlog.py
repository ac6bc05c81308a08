"""What is still to be said of Pods that found no node. Saying it costs the server two writes for each Pod, and nobody
waits for it as they wait for their own requests: so what is asked of the scheduler and of the server goes first.

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
from sampan.scheduler.decision import Decision
from sampan.scheduler.pod_info import PodInfo
from sampan.scheduler.tasks import Tasks

FEW, MANY = 4, 16  # Pods told at once while others come, and when none do
REST, LONGEST_REST = 4, 0.1  # times what telling the few took; seconds, as kube-scheduler's limit is 25 Pods a second
QUIET = 0.02  # seconds without a decision, after which no more Pods are taken to come

log = logging.getLogger(__name__)
Tell = Callable[[PodInfo, Decision], Awaitable[object]]


class Backlog:
    def __init__(self, tell: Tell, tasks: Tasks, clock: Clock) -> None:
        self._tell = tell
        self._tasks = tasks
        self._clock = clock
        self._untold: dict[str, tuple[PodInfo, Decision]] = {}  # the longest first
        self._working = False
        self._decided_at = 0.0
        self._rested_at = 0.0

    def decided(self) -> None:
        """On some Pod, just now."""
        self._decided_at = self._clock.monotonic()

    def put(self, info: PodInfo, decision: Decision) -> None:
        """In place of what was to be said of it before, if that was not said yet."""
        self._untold[info.uid] = info, decision
        if not self._working:
            self._working = True
            self._tasks.go(self._work())

    def withdraw(self, uid: str) -> None:
        self._untold.pop(uid, None)

    def __contains__(self, uid: str) -> bool:
        return uid in self._untold

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
        uids = list(islice(self._untold, number))
        began = self._clock.monotonic()
        tellings = (self._tell(*self._untold.pop(uid)) for uid in uids)
        for outcome in await asyncio.gather(*tellings, return_exceptions=True):
            if isinstance(outcome, Exception):  # the others have to be told all the same
                log.error("a Pod was not told", exc_info=outcome)
        now = self._clock.monotonic()
        self._rested_at = now + min((now - began) * REST, LONGEST_REST)
