"""Waiting Pods: those to try now, those that failed lately and back off, those that something must help first.

A Pod that does not fit remembers which plugins refused it. Only an event that could change such a plugin's mind (a
label on a node, a Pod gone, a taint removed) brings it back, at once; Pods that wait for something else are not even
looked at. A slow flush is the safety net.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import takewhile

from sampan.client.clock import Clock
from sampan.scheduler.config import SchedulerConfig
from sampan.scheduler.fairness import FairQueue
from sampan.scheduler.hints import HELPED_BY, Happening, Hints, Subject
from sampan.scheduler.pod_info import PodInfo

ANYTHING = ""  # in place of a plugin: of Pods that nobody refused, as there was no node at all
REMEMBERED = 512


class Queued:
    __slots__ = ("attempts", "failed_at", "info", "plugins", "since")

    def __init__(self, info: PodInfo, now: float) -> None:
        self.info = info
        self.since = now
        self.attempts = 0
        self.failed_at = 0.0
        self.plugins: frozenset[str] = frozenset()


class SchedulingQueue:
    def __init__(
        self, config: SchedulerConfig, clock: Clock, wake: Callable[[], None], hints: Hints | None = None
    ) -> None:
        self._config = config
        self._clock = clock
        self._wake = wake
        self._hints = hints or Hints({})
        self._known: dict[str, Queued] = {}
        self._active = FairQueue()
        self._active_ids: set[str] = set()
        self._backoff: list[tuple[float, str]] = []
        self._backoff_ids: set[str] = set()
        self._stuck: dict[str, Queued] = {}
        self._stuck_by: dict[str, dict[str, Queued]] = {}  # plugin → those that it refused
        self._moves = 0  # every happening, so that one during a cycle is not lost
        self._recent: list[tuple[int, Happening, Subject]] = []

    def __len__(self) -> int:
        return len(self._known)

    @property
    def position(self) -> int:
        return self._moves

    # -- Pods come, change and go ------------------------------------------------------------------------------------

    def add(self, info: PodInfo) -> None:
        """A new Pod, or one that wants something else now."""
        known = self._known.get(info.uid)
        if known is not None:
            known.info = info
            if info.uid in self._stuck:
                self._activate(known)
            return
        queued = self._known[info.uid] = Queued(info, self._clock.monotonic())
        self._activate(queued)

    def refresh(self, info: PodInfo) -> None:
        """It changed in ways that decide nothing."""
        queued = self._known.get(info.uid)
        if queued is not None:
            queued.info = info
        else:
            self.add(info)

    def known(self, uid: str) -> PodInfo | None:
        queued = self._known.get(uid)
        return queued.info if queued is not None else None

    def remove(self, uid: str) -> None:
        queued = self._known.pop(uid, None)
        if queued is not None:
            self._unstick(queued)
        self._active_ids.discard(uid)
        self._backoff_ids.discard(uid)

    # -- attempts ----------------------------------------------------------------------------------------------------

    def pop(self) -> Queued | None:
        self._release()
        while (uid := self._active.pop()) is not None:
            if uid in self._active_ids:
                self._active_ids.discard(uid)
                queued = self._known.get(uid)
                if queued is not None:
                    queued.attempts += 1
                    return queued
        return None

    def failed(self, queued: Queued, plugins: frozenset[str], position: int) -> None:
        """It did not fit at `position`; what happened since may already help."""
        if queued.info.uid not in self._known:
            return
        queued.failed_at = self._clock.monotonic()
        queued.plugins = plugins
        if self._helped_since(queued, position):
            self._to_backoff(queued)
        else:
            self._stick(queued)

    def retry(self, info: PodInfo, attempts: int) -> None:
        """Its binding failed: again, after a while that grows with the attempts."""
        queued = self._known[info.uid] = Queued(info, self._clock.monotonic())
        queued.attempts = attempts
        queued.failed_at = self._clock.monotonic()
        self._to_backoff(queued)

    # -- what helps --------------------------------------------------------------------------------------------------

    def happened(self, what: Happening, subject: Subject = None) -> None:
        self._moves += 1
        self._recent.append((self._moves, what, subject))
        if len(self._recent) > 2 * REMEMBERED:
            del self._recent[:REMEMBERED]
        if not self._stuck:
            return
        for plugin in (*HELPED_BY[what], ANYTHING):
            waiting = self._stuck_by.get(plugin)
            for queued in list(waiting.values()) if waiting else ():
                if self._hints.helps(plugin, queued.info, what, subject):
                    self._unstick(queued)
                    if self._remaining(queued) > 0:
                        self._to_backoff(queued)
                    else:
                        self._activate(queued)

    def flush(self) -> None:
        """Pods that nothing has helped for long are tried all the same."""
        limit = self._clock.monotonic() - self._config.unschedulable_flush
        # Whoever failed first stands first; this is asked at every turn, and there may be thousands.
        for queued in list(takewhile(lambda queued: queued.failed_at < limit, self._stuck.values())):
            self._activate(queued)

    def next_due(self) -> float | None:
        """Seconds until a Pod's back-off ends."""
        while self._backoff and self._backoff[0][1] not in self._backoff_ids:
            heapq.heappop(self._backoff)
        return max(0.0, self._backoff[0][0] - self._clock.monotonic()) if self._backoff else None

    def _helped_since(self, queued: Queued, position: int) -> bool:
        missed = self._moves - position
        if not missed:
            return False
        if missed > len(self._recent):
            return True  # too much to remember: some of it may have helped
        plugins = queued.plugins or {ANYTHING}
        return any(
            self._hints.helps(plugin, queued.info, what, subject)
            for _, what, subject in self._recent[-missed:]
            for plugin in plugins
        )

    def _stick(self, queued: Queued) -> None:
        uid = queued.info.uid
        self._stuck[uid] = queued
        for plugin in queued.plugins or (ANYTHING,):
            self._stuck_by.setdefault(plugin, {})[uid] = queued

    def _unstick(self, queued: Queued) -> None:
        uid = queued.info.uid
        if self._stuck.pop(uid, None) is not None:
            for plugin in queued.plugins or (ANYTHING,):
                self._stuck_by[plugin].pop(uid, None)

    # -- between the three -------------------------------------------------------------------------------------------

    def _activate(self, queued: Queued) -> None:
        info = queued.info
        self._unstick(queued)
        self._backoff_ids.discard(info.uid)
        if info.uid in self._active_ids:
            return
        self._active_ids.add(info.uid)
        self._active.push(info.uid, priority=info.priority, namespace=info.namespace, since=queued.since)
        self._wake()

    def _to_backoff(self, queued: Queued) -> None:
        uid = queued.info.uid
        if uid in self._backoff_ids:
            return
        self._backoff_ids.add(uid)
        heapq.heappush(self._backoff, (self._clock.monotonic() + self._remaining(queued), uid))
        self._wake()

    def _remaining(self, queued: Queued) -> float:
        config = self._config
        doubled = config.backoff_initial * float(2 ** max(0, min(queued.attempts - 1, 20)))
        delay = min(doubled, config.backoff_max)
        return max(0.0, queued.failed_at + delay - self._clock.monotonic())

    def _release(self) -> None:
        now = self._clock.monotonic()
        while self._backoff and self._backoff[0][0] <= now:
            _, uid = heapq.heappop(self._backoff)
            if uid in self._backoff_ids:
                self._backoff_ids.discard(uid)
                queued = self._known.get(uid)
                if queued is not None:
                    self._activate(queued)
