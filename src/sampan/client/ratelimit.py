"""How long a failing item waits: exponentially by itself, and never more often than a bucket allows all of them."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

from sampan.client.clock import Clock, RealClock
from sampan.client.workqueue import RateLimiter

K = TypeVar("K", bound=Hashable)


class ExponentialBackoff(Generic[K]):
    """`base`, twice that, four times that … up to `cap` seconds, counted per item."""

    def __init__(self, base: float = 0.005, cap: float = 1000.0) -> None:
        self._base, self._cap = base, cap
        self._failures: dict[K, int] = {}

    def when(self, item: K) -> float:
        failures = self._failures.get(item, 0)
        self._failures[item] = failures + 1
        return min(self._cap, self._base * 2.0 ** min(failures, 60))

    def forget(self, item: K) -> None:
        self._failures.pop(item, None)

    def retries(self, item: K) -> int:
        return self._failures.get(item, 0)


class TokenBucket:
    """`burst` at once, then `rate` a second."""

    def __init__(self, rate: float, burst: int, *, clock: Clock | None = None) -> None:
        self._rate, self._burst = rate, float(burst)
        self._clock = clock or RealClock()
        self._tokens = float(burst)
        self._at = self._clock.monotonic()

    def try_take(self) -> bool:
        """Take one if there is one."""
        self._refill()
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def reserve(self) -> float:
        """Take one, on credit if need be; the seconds until it is really there."""
        self._refill()
        self._tokens -= 1.0
        return 0.0 if self._tokens >= 0 else -self._tokens / self._rate

    async def wait(self) -> None:
        delay = self.reserve()
        if delay > 0:
            await self._clock.sleep(delay)

    def _refill(self) -> None:
        now = self._clock.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now


class BucketLimiter(Generic[K]):
    def __init__(self, bucket: TokenBucket) -> None:
        self._bucket = bucket

    def when(self, item: K) -> float:
        return self._bucket.reserve()

    def forget(self, item: K) -> None:
        pass

    def retries(self, item: K) -> int:
        return 0


class MaxOf(Generic[K]):
    """The longest wait of several limiters."""

    def __init__(self, *limiters: RateLimiter[K]) -> None:
        self._limiters = limiters

    def when(self, item: K) -> float:
        return max(limiter.when(item) for limiter in self._limiters)

    def forget(self, item: K) -> None:
        for limiter in self._limiters:
            limiter.forget(item)

    def retries(self, item: K) -> int:
        return max(limiter.retries(item) for limiter in self._limiters)


def default_limiter(clock: Clock | None = None) -> RateLimiter[Hashable]:
    """What Kubernetes' controllers use: 5 ms doubling to 1000 s, and 10 retries a second in bursts of 100."""
    return MaxOf(ExponentialBackoff(), BucketLimiter(TokenBucket(10.0, 100, clock=clock)))
