"""Waiting the way Kubernetes' clients do: jittered exponential back-off, and polling a condition."""

import random
from collections.abc import Awaitable, Callable

from sampan.client.clock import Clock, RealClock


def jitter(seconds: float, factor: float, *, rng: Callable[[], float] = random.random) -> float:
    """`seconds` stretched by up to `factor` of itself, so that many clients do not come at once."""
    return seconds * (1.0 + factor * rng())


class Backoff:
    """Delays that grow from `initial` to `cap`; forgotten when nothing failed for `reset_after` seconds."""

    def __init__(
        self,
        initial: float,
        cap: float,
        *,
        factor: float = 2.0,
        jitter: float = 0.0,
        reset_after: float | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._initial, self._cap, self._factor, self._jitter = initial, cap, factor, jitter
        self._reset_after = reset_after
        self._clock = clock or RealClock()
        self._current = initial
        self._last: float | None = None

    def next(self) -> float:
        now = self._clock.monotonic()
        if self._reset_after is not None and self._last is not None and now - self._last > self._reset_after:
            self._current = self._initial
        self._last = now
        delay = self._current
        self._current = min(self._cap, self._current * self._factor)
        return jitter(delay, self._jitter)

    def reset(self) -> None:
        self._current = self._initial

    async def sleep(self) -> None:
        await self._clock.sleep(self.next())


class WaitTimeout(Exception):
    """The condition did not come true in time."""


async def poll(
    condition: Callable[[], Awaitable[bool]],
    *,
    interval: float,
    timeout: float | None = None,
    clock: Clock | None = None,
) -> None:
    """Asks at once and then every `interval` seconds; raises `WaitTimeout` after `timeout`."""
    clock = clock or RealClock()
    end = None if timeout is None else clock.monotonic() + timeout
    while not await condition():
        if end is not None and clock.monotonic() + interval > end:
            raise WaitTimeout(f"timed out after {timeout:g} s")
        await clock.sleep(interval)
