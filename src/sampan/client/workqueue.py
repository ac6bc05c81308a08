"""The work queue of controllers, in three layers.

`WorkQueue` holds each item once: an item added while it is being worked on is worked on again afterwards, never twice
at the same time. `DelayingQueue` adds items later. `RateLimitingQueue` makes a failing item wait longer each time.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar

from sampan.client.clock import Clock, RealClock, Timer

K = TypeVar("K", bound=Hashable)
K_contra = TypeVar("K_contra", bound=Hashable, contravariant=True)


class ShutDown(Exception):
    """The queue is empty and takes nothing any more."""


class WorkQueue(Generic[K]):
    def __init__(self, *, clock: Clock | None = None) -> None:
        self.clock: Clock = clock or RealClock()
        self._order: deque[K] = deque()
        self._dirty: set[K] = set()  # wants to be worked on
        self._processing: set[K] = set()  # is being worked on
        self._getters: deque[asyncio.Future[None]] = deque()
        self._shutting_down = False
        self._idle: list[asyncio.Future[None]] = []

    def __len__(self) -> int:
        """Items that wait for a worker."""
        return len(self._order)

    @property
    def processing(self) -> int:
        return len(self._processing)

    @property
    def shutting_down(self) -> bool:
        return self._shutting_down

    def add(self, item: K) -> None:
        if self._shutting_down or item in self._dirty:
            return
        self._dirty.add(item)
        if item not in self._processing:
            self._order.append(item)
            self._wake()

    async def get(self) -> K:
        """The next item; call `done` with it afterwards. Raises `ShutDown`."""
        while not self._order:
            if self._shutting_down:
                raise ShutDown
            getter = asyncio.get_running_loop().create_future()
            self._getters.append(getter)
            try:
                await getter
            except asyncio.CancelledError:
                # A wake-up that this getter will not use belongs to the next one.
                if getter.done() and not getter.cancelled() and self._order:
                    self._wake()
                raise
            finally:
                if getter in self._getters:
                    self._getters.remove(getter)
        item = self._order.popleft()
        self._processing.add(item)
        self._dirty.discard(item)
        return item

    def done(self, item: K) -> None:
        self._processing.discard(item)
        if item in self._dirty:
            self._order.append(item)
            self._wake()
        elif not self._processing and not self._order:
            for waiter in self._idle:
                if not waiter.done():
                    waiter.set_result(None)
            self._idle.clear()

    def shut_down(self) -> None:
        """Take nothing new; what waits is still handed out, then getters get `ShutDown`."""
        self._shutting_down = True
        for getter in self._getters:
            if not getter.done():
                getter.set_result(None)

    async def join(self) -> None:
        """Wait until nothing waits and nothing is being worked on (items that are delayed do not count)."""
        while self._order or self._processing:
            waiter = asyncio.get_running_loop().create_future()
            self._idle.append(waiter)
            await waiter

    def _wake(self) -> None:
        while self._getters:
            getter = self._getters.popleft()
            if not getter.done():
                getter.set_result(None)
                return


class DelayingQueue(WorkQueue[K]):
    """Items may be added for later. One timer serves all of them; of several times for an item the earliest counts."""

    def __init__(self, *, clock: Clock | None = None) -> None:
        super().__init__(clock=clock)
        self._heap: list[tuple[float, int, K]] = []
        self._due: dict[K, float] = {}
        self._serial = itertools.count()
        self._timer: Timer | None = None
        self._timer_due = 0.0

    @property
    def delayed(self) -> int:
        return len(self._due)

    def add_after(self, item: K, seconds: float) -> None:
        if self._shutting_down:
            return
        if seconds <= 0:
            self.add(item)
            return
        due = self.clock.monotonic() + seconds
        known = self._due.get(item)
        if known is not None and known <= due:
            return
        self._due[item] = due
        heapq.heappush(self._heap, (due, next(self._serial), item))
        self._arm()

    def shut_down(self) -> None:
        super().shut_down()
        self._heap.clear()
        self._due.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _arm(self) -> None:
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)  # superseded by an earlier time
        if not self._heap:
            return
        due = self._heap[0][0]
        if self._timer is not None:
            if self._timer_due <= due:
                return
            self._timer.cancel()
        self._timer_due = due
        self._timer = self.clock.call_later(due - self.clock.monotonic(), self._fire)

    def _fire(self) -> None:
        self._timer = None
        now = self.clock.monotonic() + 1e-6  # timers may fire a hair early
        while self._heap and self._heap[0][0] <= now:
            due, _, item = heapq.heappop(self._heap)
            if self._due.get(item) == due:
                del self._due[item]
                self.add(item)
        self._arm()


class RateLimiter(Protocol[K_contra]):
    def when(self, item: K_contra) -> float:
        """Seconds that the item has to wait, this time."""
        ...

    def forget(self, item: K_contra) -> None: ...

    def retries(self, item: K_contra) -> int: ...


class RateLimitingQueue(DelayingQueue[K]):
    def __init__(self, limiter: RateLimiter[K] | None = None, *, clock: Clock | None = None) -> None:
        super().__init__(clock=clock)
        if limiter is None:
            from sampan.client.ratelimit import default_limiter

            limiter = default_limiter(self.clock)
        self._limiter: RateLimiter[K] = limiter

    def add_rate_limited(self, item: K) -> None:
        self.add_after(item, self._limiter.when(item))

    def forget(self, item: K) -> None:
        """It went well: the next failure waits the shortest time again."""
        self._limiter.forget(item)

    def retries(self, item: K) -> int:
        return self._limiter.retries(item)
