"""Waiting Pods: those to try now, those that failed lately and back off, those that something must help first.

A Pod that does not fit remembers which plugins refused it. Only an event that could change such a plugin's mind (a
label on a node, a Pod gone, a taint removed) brings it back, at once. A slow flush is the safety net.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from enum import StrEnum

from sampan.client.clock import Clock
from sampan.scheduler.config import SchedulerConfig
from sampan.scheduler.pod_info import PodInfo


class Happening(StrEnum):
    NODE_ADDED = "node added"
    NODE_ALLOCATABLE = "node allocatable"
    NODE_LABEL = "node label"
    NODE_TAINT = "node taint"
    NODE_GONE = "node gone"
    POD_GONE = "pod gone"
    POD_PLACED = "pod placed"
    POD_CHANGED = "the pod itself changed"
    VOLUME = "volume"


_ANY_NODE = frozenset({Happening.NODE_ADDED, Happening.NODE_LABEL})
HELPS: dict[str, frozenset[Happening]] = {
    "NodeResourcesFit": frozenset({Happening.NODE_ADDED, Happening.NODE_ALLOCATABLE, Happening.POD_GONE}),
    "NodePorts": frozenset({Happening.NODE_ADDED, Happening.POD_GONE}),
    "NodeAffinity": _ANY_NODE,
    "NodeName": _ANY_NODE,
    "NodeUnschedulable": frozenset({Happening.NODE_ADDED, Happening.NODE_TAINT}),
    "TaintToleration": frozenset({Happening.NODE_ADDED, Happening.NODE_TAINT}),
    "InterPodAffinity": frozenset({*_ANY_NODE, Happening.POD_GONE, Happening.POD_PLACED}),
    "PodTopologySpread": frozenset(
        {*_ANY_NODE, Happening.NODE_TAINT, Happening.NODE_GONE, Happening.POD_GONE, Happening.POD_PLACED}
    ),
    "VolumeBinding": frozenset({*_ANY_NODE, Happening.VOLUME}),
    "SchedulingGates": frozenset(),
}


class Queued:
    __slots__ = ("attempts", "failed_at", "info", "plugins", "preempting", "since")

    def __init__(self, info: PodInfo, now: float) -> None:
        self.info = info
        self.since = now
        self.attempts = 0
        self.failed_at = 0.0
        self.plugins: frozenset[str] = frozenset()
        self.preempting = False


class SchedulingQueue:
    def __init__(self, config: SchedulerConfig, clock: Clock, wake: Callable[[], None]) -> None:
        self._config = config
        self._clock = clock
        self._wake = wake
        self._order = itertools.count()
        self._known: dict[str, Queued] = {}
        self._active: list[tuple[int, float, int, str]] = []
        self._active_ids: set[str] = set()
        self._backoff: list[tuple[float, str]] = []
        self._backoff_ids: set[str] = set()
        self._stuck: dict[str, Queued] = {}
        self._moves = 0  # every happening, so that one during a cycle is not lost
        self._recent: list[tuple[int, Happening]] = []

    def __len__(self) -> int:
        return len(self._known)

    @property
    def position(self) -> int:
        return self._moves

    def add(self, info: PodInfo) -> None:
        known = self._known.get(info.uid)
        if known is not None:
            known.info = info
            if info.uid in self._stuck:
                self._activate(known)
            return
        queued = self._known[info.uid] = Queued(info, self._clock.monotonic())
        self._activate(queued)

    def known(self, uid: str) -> PodInfo | None:
        queued = self._known.get(uid)
        return queued.info if queued is not None else None

    def refresh(self, info: PodInfo) -> None:
        """A newer copy of a Pod that wants what it wanted before: no reason to try again."""
        queued = self._known.get(info.uid)
        if queued is not None:
            queued.info = info
        else:
            self.add(info)

    def remove(self, uid: str) -> None:
        self._known.pop(uid, None)
        self._stuck.pop(uid, None)
        self._active_ids.discard(uid)
        self._backoff_ids.discard(uid)

    def pop(self) -> Queued | None:
        self._release()
        while self._active:
            _, _, _, uid = heapq.heappop(self._active)
            if uid in self._active_ids:
                self._active_ids.discard(uid)
                queued = self._known.get(uid)
                if queued is not None:
                    queued.attempts += 1
                    return queued
        return None

    def failed(self, queued: Queued, plugins: frozenset[str], position: int, *, retry: bool = False) -> None:
        """It did not fit at `position`; what happened since may already help. `retry`: an error, try again soon."""
        if queued.info.uid not in self._known:
            return
        queued.failed_at = self._clock.monotonic()
        queued.plugins = plugins
        helped = any(at > position and self._helps(queued, what) for at, what in self._recent)
        if retry or helped:
            self._to_backoff(queued)
        else:
            self._stuck[queued.info.uid] = queued

    def retry(self, info: PodInfo, attempts: int) -> None:
        """Its binding failed: again, after a while that grows with the attempts."""
        queued = self._known[info.uid] = Queued(info, self._clock.monotonic())
        queued.attempts = attempts
        queued.failed_at = self._clock.monotonic()
        self._to_backoff(queued)

    def happened(self, what: Happening) -> None:
        self._moves += 1
        self._recent.append((self._moves, what))
        if len(self._recent) > 512:
            del self._recent[:256]
        for queued in [q for q in self._stuck.values() if self._helps(q, what)]:
            del self._stuck[queued.info.uid]
            if self._remaining(queued) > 0:
                self._to_backoff(queued)
            else:
                self._activate(queued)

    def activate(self, uid: str) -> None:
        """Its victims are gone: now."""
        queued = self._stuck.pop(uid, None)
        if queued is not None:
            self._activate(queued)

    def flush(self) -> None:
        """Pods that nothing has helped for long are tried all the same."""
        limit = self._clock.monotonic() - self._config.unschedulable_flush
        for uid, queued in list(self._stuck.items()):
            if queued.failed_at < limit and "SchedulingGates" not in queued.plugins:
                del self._stuck[uid]
                self._activate(queued)

    def next_due(self) -> float | None:
        """Seconds until a Pod's back-off ends."""
        while self._backoff and self._backoff[0][1] not in self._backoff_ids:
            heapq.heappop(self._backoff)
        return max(0.0, self._backoff[0][0] - self._clock.monotonic()) if self._backoff else None

    @staticmethod
    def _helps(queued: Queued, what: Happening) -> bool:
        return not queued.plugins or any(what in HELPS.get(p, frozenset(Happening)) for p in queued.plugins)

    def _activate(self, queued: Queued) -> None:
        info = queued.info
        self._stuck.pop(info.uid, None)
        self._backoff_ids.discard(info.uid)
        if info.uid in self._active_ids:
            return
        self._active_ids.add(info.uid)
        heapq.heappush(self._active, (-info.priority, queued.since, next(self._order), info.uid))
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
