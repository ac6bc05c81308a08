"""Telling people what happened: `Event` objects, written in the background.

`recorder.event(pod, "Warning", "BackOff", "…")` only puts the event in a queue: a slow or absent server never holds a
component up. What goes out is correlated first (`sampan.client.event_correlation`), so that a thing which fails for
hours is one Event with a count, and a flood is cut off. The scheduler's newer kind of events is
`sampan.client.event_series`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sampan.api.errors import NotFound
from sampan.api.types import core_v1, meta_v1
from sampan.client.api import Client
from sampan.client.calls import STRATEGIC_PATCH
from sampan.client.clock import Clock, RealClock, rfc3339
from sampan.client.event_correlation import Correlated, Correlator
from sampan.client.event_names import Stamps, limited, reference_to
from sampan.client.event_writer import EventWriter

__all__ = ["NORMAL", "WARNING", "EventRecorder", "FakeRecorder", "Recorded", "reference_to"]

NORMAL = "Normal"
WARNING = "Warning"


class EventRecorder:
    """One per component. `start` it on the loop, `stop` writes what is left and ends."""

    def __init__(
        self,
        client: Client,
        component: str,
        *,
        host: str = "",
        clock: Clock | None = None,
        correlator: Correlator | None = None,
    ) -> None:
        self._events = client.resource(core_v1.Event)
        self._source = core_v1.EventSource(component=component, host=host or None)
        self._clock: Clock = clock or RealClock()
        self._correlator = correlator or Correlator(clock=self._clock)
        self._stamps = Stamps()
        self._writer = EventWriter(self._correlator.correlate, self._write, name=component, clock=self._clock)

    @property
    def dropped(self) -> int:
        return self._writer.dropped

    def event(
        self,
        obj: Any,
        type: str,  # noqa: A002 - the API's own word
        reason: str,
        message: str,
        *,
        field_path: str = "",
        annotations: dict[str, str] | None = None,
    ) -> None:
        """`obj` is the object concerned, or an `ObjectReference`. Never blocks, never raises for the server's sake."""
        reference = reference_to(obj, field_path=field_path)
        self._writer.submit(self._make(reference, type, reason, message, annotations))

    def forget(self, uid: str) -> None:
        """The object is gone for good: remember nothing of its events."""
        self._correlator.forget(uid)

    def start(self) -> None:
        self._writer.start()

    async def flush(self) -> None:
        """Wait until all that was recorded so far has been written or given up."""
        await self._writer.flush()

    async def stop(self, *, timeout: float = 2.0) -> None:
        await self._writer.stop(timeout=timeout)

    def _make(
        self,
        reference: core_v1.ObjectReference,
        event_type: str,
        reason: str,
        message: str,
        annotations: dict[str, str] | None,
    ) -> core_v1.Event:
        now = self._clock.now()
        time = rfc3339(now)
        return core_v1.Event(
            kind="Event",
            apiVersion="v1",
            metadata=meta_v1.ObjectMeta(
                name=self._stamps.name(reference.name, now),
                namespace=reference.namespace or "default",
                annotations=annotations,
            ),
            involvedObject=reference,
            reason=reason,
            message=limited(message),
            type=event_type,
            count=1,
            firstTimestamp=time,
            lastTimestamp=time,
            source=self._source,
            reportingComponent=self._source.component or "",
            reportingInstance=self._source.host or "",
        )

    async def _write(self, decided: Correlated) -> None:
        event = decided.event
        namespace = event.metadata.namespace or "default"
        if decided.repeated:
            patch = {"count": event.count, "lastTimestamp": event.lastTimestamp, "message": event.message}
            try:
                await self._events.patch(event.metadata.name or "", patch, namespace=namespace, type=STRATEGIC_PATCH)
                return
            except NotFound:  # it expired: begin a new one
                event.metadata.name = self._stamps.name(event.involvedObject.name, self._clock.now())
        self._correlator.written(decided, await self._events.create(event, namespace=namespace))


class Recorded(NamedTuple):
    object: core_v1.ObjectReference
    type: str
    reason: str
    message: str

    def __str__(self) -> str:
        return f"{self.type} {self.reason} {self.message}"


class FakeRecorder:
    """Keeps what was recorded, for unit tests."""

    def __init__(self) -> None:
        self.events: list[Recorded] = []

    def event(
        self,
        obj: Any,
        type: str,  # noqa: A002 - as above
        reason: str,
        message: str,
        *,
        field_path: str = "",
        annotations: dict[str, str] | None = None,
    ) -> None:
        self.events.append(Recorded(reference_to(obj, field_path=field_path), type, reason, limited(message)))
