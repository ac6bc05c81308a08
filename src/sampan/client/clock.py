"""Time, injected: components take a `Clock`, so that in tests hours of back-off run in milliseconds.

`RealClock` is the event loop's time. `FakeClock` stands still until a test steps it, and then wakes sleepers in the
order of their deadlines, letting the tasks it woke run before it goes on.
"""

import heapq
import itertools
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol


class Timer(Protocol):
    def cancel(self) -> None: ...


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since the epoch: what people and objects call the time. It may jump."""
        ...

    def monotonic(self) -> float:
        """Seconds that only grow: what durations are measured with."""
        ...

    async def sleep(self, seconds: float) -> None: ...

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Timer:
        """Runs `callback` on the event loop; must be called from it."""
        ...


class RealClock:
    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        import asyncio

        await asyncio.sleep(max(0.0, seconds))

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Timer:
        import asyncio

        return asyncio.get_running_loop().call_later(max(0.0, seconds), callback)


class _FakeTimer:
    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        self.callback = None


class FakeClock:
    def __init__(self, now: float = 1_767_225_600.0) -> None:  # 2026-01-01T00:00:00Z
        self._now = now
        self._monotonic = 1000.0
        self._order = itertools.count()
        self._timers: list[tuple[float, int, _FakeTimer]] = []

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        import asyncio

        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.Event()
        timer = self.call_later(seconds, woken.set)
        try:
            await woken.wait()
        finally:
            timer.cancel()

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Timer:
        timer = _FakeTimer(callback)
        heapq.heappush(self._timers, (self._monotonic + max(0.0, seconds), next(self._order), timer))
        return timer

    @property
    def waiting(self) -> int:
        """How many timers are armed: lets a test see that somebody sleeps."""
        return sum(1 for _, _, timer in self._timers if timer.callback is not None)

    def next_deadline(self) -> float | None:
        """Seconds until the first armed timer, None when nothing waits."""
        while self._timers and self._timers[0][2].callback is None:
            heapq.heappop(self._timers)
        return None if not self._timers else max(0.0, self._timers[0][0] - self._monotonic)

    async def advance(self, seconds: float) -> None:
        """Step the time; everything that falls due on the way runs at its own moment."""
        await settle()
        end = self._monotonic + seconds
        while (due := self.next_deadline()) is not None and self._monotonic + due <= end + 1e-9:
            self._step(due)
            _, _, timer = heapq.heappop(self._timers)
            callback, timer.callback = timer.callback, None
            if callback is not None:
                callback()
            await settle()
        self._step(max(0.0, end - self._monotonic))
        await settle()

    def jump(self, seconds: float) -> None:
        """Set the wall clock forth or back, as an operator would; durations do not notice."""
        self._now += seconds

    def _step(self, seconds: float) -> None:
        self._now += seconds
        self._monotonic += seconds


async def settle(rounds: int = 20) -> None:
    """Let every task that can run without waiting for time or a socket run."""
    import asyncio

    for _ in range(rounds):
        await asyncio.sleep(0)


def rfc3339(seconds: float) -> str:
    """A `Time`, as objects carry it: whole seconds, UTC."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def rfc3339_micro(seconds: float) -> str:
    """A `MicroTime`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(text: str) -> float:
    """Seconds since the epoch of a `Time` or `MicroTime`; ValueError when it is neither."""
    return datetime.fromisoformat(text).timestamp()
