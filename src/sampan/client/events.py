"""Telling people what happened: `Event` objects, written in the background.

`recorder.event(pod, "Warning", "BackOff", "…")` only puts the event in a queue: a slow or absent server never holds a
component up. What goes out is correlated first (`sampan.client.event_correlation`), so that a thing which fails for
hours is one Event with a count, and a flood is cut off.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from typing import Any, NamedTuple

from sampan.api.errors import AlreadyExists, ApiError, NotFound, TooManyRequests
from sampan.api.scheme import BUILT_IN_SCHEME
from sampan.api.types import core_v1, meta_v1
from sampan.client.api import Client
from sampan.client.calls import STRATEGIC_PATCH
from sampan.client.clock import Clock, RealClock, rfc3339
from sampan.client.event_correlation import Correlated, Correlator
from sampan.client.transport import TransportError

log = logging.getLogger(__name__)

NORMAL = "Normal"
WARNING = "Warning"

MESSAGE_LIMIT = 1024
QUEUE_LIMIT = 1000
TRIES = 12
RETRY_SECONDS = 10.0


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
        self._queue: deque[core_v1.Event] = deque()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None
        self._last_stamp = 0
        self.dropped = 0

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
        if len(self._queue) >= QUEUE_LIMIT:
            self.dropped += 1
            return
        reference = reference_to(obj, field_path=field_path)
        self._queue.append(self._make(reference, type, reason, message, annotations))
        self._idle.clear()
        self._wake.set()

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"events of {self._source.component}")

    async def flush(self) -> None:
        """Wait until all that was recorded so far has been written or given up."""
        await self._idle.wait()

    async def stop(self, *, timeout: float = 2.0) -> None:
        task, self._task = self._task, None
        if task is None:
            return
        try:
            await asyncio.wait_for(self.flush(), timeout)
        except TimeoutError:
            log.info("%d events were not written", len(self._queue))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    def _make(
        self,
        reference: core_v1.ObjectReference,
        event_type: str,
        reason: str,
        message: str,
        annotations: dict[str, str] | None,
    ) -> core_v1.Event:
        now = self._clock.now()
        self._last_stamp = max(int(now * 1e9), self._last_stamp + 1)  # two events of one moment need two names
        time = rfc3339(now)
        return core_v1.Event(
            kind="Event",
            apiVersion="v1",
            metadata=meta_v1.ObjectMeta(
                name=f"{reference.name}.{self._last_stamp:x}",
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
            reportingComponent=self._source.component,
            reportingInstance=self._source.host or "",
        )

    async def _run(self) -> None:
        while True:
            while self._queue:
                event = self._queue.popleft()
                decided = self._correlator.correlate(event)
                if decided is not None:
                    await self._deliver(decided)
            self._wake.clear()
            self._idle.set()
            await self._wake.wait()

    async def _deliver(self, decided: Correlated) -> None:
        for attempt in range(TRIES):
            try:
                await self._write(decided)
                return
            except (TransportError, TooManyRequests) as error:
                log.debug("event %s: %s", decided.event.metadata.name, error)
                # The first wait is random: all components lost the server at the same time.
                await self._clock.sleep(RETRY_SECONDS * (random.random() if attempt == 0 else 1.0))
            except AlreadyExists:
                return
            except ApiError as error:
                # A namespace that is going takes no new events; nobody waits for them.
                log.debug("event %s was refused: %s", decided.event.metadata.name, error)
                return

    async def _write(self, decided: Correlated) -> None:
        event = decided.event
        namespace = event.metadata.namespace or "default"
        if decided.repeated:
            patch = {"count": event.count, "lastTimestamp": event.lastTimestamp, "message": event.message}
            try:
                await self._events.patch(event.metadata.name or "", patch, namespace=namespace, type=STRATEGIC_PATCH)
                return
            except NotFound:
                event.metadata.name = f"{event.involvedObject.name}.{self._stamp():x}"  # it expired: begin a new one
                event.metadata.resourceVersion = None
        written = await self._events.create(event, namespace=namespace)
        self._correlator.written(decided, written)

    def _stamp(self) -> int:
        self._last_stamp = max(int(self._clock.now() * 1e9), self._last_stamp + 1)
        return self._last_stamp


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


def reference_to(obj: Any, *, field_path: str = "") -> core_v1.ObjectReference:
    if isinstance(obj, core_v1.ObjectReference):
        return obj
    if isinstance(obj, dict):
        kind, version, metadata = obj.get("kind"), obj.get("apiVersion"), obj.get("metadata") or {}
        name, namespace, uid = metadata.get("name"), metadata.get("namespace"), metadata.get("uid")
        revision = metadata.get("resourceVersion")
    else:
        meta: meta_v1.ObjectMeta = obj.metadata
        kind, version = obj.kind, obj.apiVersion
        name, namespace, uid, revision = meta.name, meta.namespace, meta.uid, meta.resourceVersion
        if kind is None:
            info = BUILT_IN_SCHEME.for_type(type(obj))
            kind, version = info.kind, info.api_version
    return core_v1.ObjectReference(
        kind=kind,
        apiVersion=version,
        name=name,
        namespace=namespace,
        uid=uid,
        resourceVersion=revision,
        fieldPath=field_path or None,
    )


def limited(message: str) -> str:
    """The API takes 1024 bytes of message."""
    data = message.encode()
    if len(data) <= MESSAGE_LIMIT:
        return message
    return data[: MESSAGE_LIMIT - 3].decode(errors="ignore") + "..."
