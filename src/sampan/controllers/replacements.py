"""How soon a Pod that failed where it belongs is replaced: a node that refuses it is not asked in a hot loop."""

from __future__ import annotations

from sampan.client.clock import Clock
from sampan.client.ratelimit import ExponentialBackoff

FIRST = 1.0


class Replacements:
    """At once, then after a second, two, four … since the last time."""

    def __init__(self, clock: Clock, longest: float) -> None:
        self._clock = clock
        self._longest = longest
        self._backoff: ExponentialBackoff[tuple[str, str]] = ExponentialBackoff(FIRST, longest)
        self._next: dict[tuple[str, str], float] = {}

    def wait(self, key: str, where: str) -> float:
        """Seconds to wait; 0 means that it is replaced now, and the next one waits longer."""
        place, now = (key, where), self._clock.monotonic()
        due = self._next.get(place, now)
        if due > now:
            return due - now
        if now - due > 2 * self._longest:
            self._backoff.forget(place)  # it went well for long
        self._next[place] = now + self._backoff.when(place)
        return 0.0

    def forget(self, key: str) -> None:
        for place in [p for p in self._next if p[0] == key]:
            del self._next[place]
            self._backoff.forget(place)
