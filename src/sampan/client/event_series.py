"""Events of the `events.k8s.io` kind, as kube-scheduler writes them: what repeats is one Event with a series.

The first time an event is created; the second time it gets a series (count 2), and from then on it is only counted
here: the count is written every half hour, and when the event has not happened for six minutes, which ends the series.
"""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

from sampan.api.errors import NotFound
from sampan.api.types import core_v1, events_v1, meta_v1
from sampan.client.api import Client
from sampan.client.calls import STRATEGIC_PATCH
from sampan.client.clock import Clock, RealClock, rfc3339_micro
from sampan.client.event_names import Stamps, limited, reference_to
from sampan.client.event_writer import EventWriter

FINISH_SECONDS = 360.0
REFRESH_SECONDS = 1800.0

Key = tuple[str | None, ...]


class _Known:
    """Little, as there is one for each Pod that was scheduled lately."""

    __slots__ = ("at", "count", "last", "name", "namespace")

    def __init__(self, event: events_v1.Event, at: float) -> None:
        self.name = event.metadata.name or ""
        self.namespace = event.metadata.namespace or "default"
        self.count = 1
        self.last = event.eventTime or ""
        self.at = at  # when it last happened

    def series(self) -> events_v1.EventSeries:
        return events_v1.EventSeries(count=self.count, lastObservedTime=self.last)


class _Job(NamedTuple):
    """`event` is there when it just happened, `known` when it is written already."""

    event: events_v1.Event | None
    known: _Known | None


class SeriesRecorder:
    """One per component. `start` it on the loop, `stop` writes what is left and ends."""

    def __init__(self, client: Client, component: str, *, host: str = "", clock: Clock | None = None) -> None:
        self._events = client.resource(events_v1.Event)
        self._component = component
        self._instance = f"{component}-{host}" if host else component
        self._clock: Clock = clock or RealClock()
        self._stamps = Stamps()
        self._known: dict[Key, _Known] = {}
        self._writer = EventWriter(self._decide, self._write, name=component, clock=self._clock)
        self._sweeper: asyncio.Task[None] | None = None

    def event(
        self,
        regarding: Any,
        type: str,  # noqa: A002 - the API's own word
        reason: str,
        action: str,
        note: str,
        *,
        related: Any = None,
    ) -> None:
        """Never blocks, never raises for the server's sake."""
        now = self._clock.now()
        reference = reference_to(regarding)
        event = events_v1.Event(
            kind="Event",
            apiVersion="events.k8s.io/v1",
            metadata=meta_v1.ObjectMeta(
                name=self._stamps.name(reference.name, now), namespace=reference.namespace or "default"
            ),
            eventTime=rfc3339_micro(now),
            reportingController=self._component,
            reportingInstance=self._instance,
            action=action,
            reason=reason,
            regarding=reference,
            related=reference_to(related) if related is not None else None,
            note=limited(note),
            type=type,
        )
        self._count(event)

    def start(self) -> None:
        self._writer.start()
        if self._sweeper is None:
            self._sweeper = asyncio.create_task(self._sweep(), name=f"event series of {self._component}")

    async def flush(self) -> None:
        await self._writer.flush()

    async def stop(self, *, timeout: float = 2.0) -> None:
        sweeper, self._sweeper = self._sweeper, None
        if sweeper is not None:
            sweeper.cancel()
            await asyncio.gather(sweeper, return_exceptions=True)
        await self._writer.stop(timeout=timeout)

    def _count(self, event: events_v1.Event) -> None:
        key = _key(event)
        known = self._known.get(key)
        if known is None:
            self._known[key] = _Known(event, self._clock.monotonic())
            self._writer.submit(_Job(event, None))
            return
        known.at, known.last = self._clock.monotonic(), event.eventTime or ""
        known.count += 1
        if known.count == 2:
            self._writer.submit(_Job(event, known))

    async def _sweep(self) -> None:
        refreshed = self._clock.monotonic()
        while True:
            await self._clock.sleep(FINISH_SECONDS)
            now = self._clock.monotonic()
            refresh = now - refreshed >= REFRESH_SECONDS
            refreshed = now if refresh else refreshed
            for key, known in [*self._known.items()]:
                over = now - known.at >= FINISH_SECONDS
                if over:
                    del self._known[key]
                if known.count > 1 and (over or refresh):
                    self._writer.submit(_Job(None, known))

    @staticmethod
    def _decide(job: _Job) -> _Job:
        return job

    async def _write(self, job: _Job) -> None:
        event, known = job
        if known is not None:
            patch = {"series": known.series()}
            try:
                await self._events.patch(known.name, patch, namespace=known.namespace, type=STRATEGIC_PATCH)
                return
            except NotFound:  # it expired: what just happened begins a new one
                if event is None:
                    return
                known.name, event.series = event.metadata.name or "", known.series()
        if event is not None:
            await self._events.create(event)


def _key(event: events_v1.Event) -> Key:
    about = event.regarding
    related = event.related or core_v1.ObjectReference()
    return (
        event.action,
        event.reason,
        event.reportingController,
        about.kind,
        about.namespace,
        about.name,
        about.uid,
        related.kind,
        related.namespace,
        related.name,
    )
