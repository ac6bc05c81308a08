"""Back-off that doubles: 10 s to 5 min for crashing containers and image pulls. Keeps no timers; asks the clock."""

from msgspec import Struct

from sampan.client.clock import Clock


class _Entry(Struct):
    delay: float
    updated: float


class Backoff:
    """How long something that failed has to wait, by key. Forgets after twice the longest wait without a failure."""

    def __init__(self, clock: Clock, *, initial: float = 10.0, longest: float = 300.0) -> None:
        self._clock = clock
        self._initial = initial
        self._longest = longest
        self._entries: dict[str, _Entry] = {}

    def delay(self, key: str) -> float:
        entry = self._entries.get(key)
        return entry.delay if entry is not None else 0.0

    def remaining(self, key: str, since: float) -> float:
        """Seconds still to wait when the last failure was at `since` (wall clock)."""
        entry = self._entries.get(key)
        now = self._clock.now()
        if entry is None or now - since > 2 * self._longest:
            return 0.0
        return max(0.0, min(entry.delay, since + entry.delay - now))

    def failed(self, key: str, at: float) -> None:
        """It is being tried again after a failure at `at`: the next wait is twice as long."""
        entry = self._entries.get(key)
        now = self._clock.now()
        if entry is None or at - entry.updated > 2 * self._longest:
            self._entries[key] = _Entry(self._initial, now)
            return
        entry.delay = min(entry.delay * 2, self._longest)
        entry.updated = now

    def recall(self, key: str, *, failures: int) -> None:
        """After a restart of the kubelet: what `failures` starts in a row must have led to."""
        if key not in self._entries and failures > 0:
            delay = min(self._initial * 2 ** min(failures - 1, 16), self._longest)
            self._entries[key] = _Entry(delay, self._clock.now())

    def forget(self, prefix: str) -> None:
        for key in [k for k in self._entries if k.startswith(prefix)]:
            del self._entries[key]
