"""The one watch on all keys that everything in this process hears from, kept up across endpoints.

What has been handed on is `revision`; a new stream starts behind it, so none is missed and none comes twice. When that
history has been compacted meanwhile, everybody is told that they lost it.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Protocol

from sampan.storage.contract import Compacted, EventType, StoreError, StoreUnavailable, WatchEvent
from sampan.storage.etcd.gateway import Gateway
from sampan.storage.etcd.wire import NOTHING, Event, WatchResponse, key_value
from sampan.storage.hub import Hub

log = logging.getLogger(__name__)

_RETRY_DELAY, _LONGEST_DELAY = 0.2, 2.0  # seconds
_HEARD_WITHIN = 10.0  # seconds
_LOOK_EVERY = 5.0  # seconds: a stream to a member cut off from the others stays silent without ending


class Origin(Protocol):
    async def current_revision(self) -> int: ...


class Feed:
    def __init__(self, gateway: Gateway, origin: Origin) -> None:
        self.hub = Hub()
        self.revision = 0  # dispatched; the store's, as all here
        self.offset = 0
        self._gateway = gateway
        self._origin = origin
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []  # a heap: who waits for which revision
        self._numbers = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._stream: asyncio.Task[None] | None = None
        self._created = asyncio.Event()
        self._streams = 0  # that stood

    async def start(self) -> None:
        """Returns when the stream stands."""
        self.revision = await self._origin.current_revision()
        self._tasks = [asyncio.create_task(self._follow()), asyncio.create_task(self._keep_looking())]
        await self._created.wait()

    async def stop(self, error: StoreError) -> None:
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.hub.lose_all(error)
        for _, _, future in self._waiting:
            if not future.done():
                future.set_exception(type(error)(*error.args))
        self._waiting.clear()

    async def reached(self, revision: int, *, within: float = _HEARD_WITHIN) -> None:
        """Returns when everything up to this revision has been handed on. Raises `StoreUnavailable`."""
        if revision <= self.revision:
            return
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._numbers += 1
        heapq.heappush(self._waiting, (revision, self._numbers, future))
        timer = loop.call_later(within, self._give_up, future, revision)
        try:
            await future
        finally:
            timer.cancel()

    def _give_up(self, future: asyncio.Future[None], revision: int) -> None:
        if not future.done():
            future.set_exception(StoreUnavailable(f"etcd's revision {revision} has not been heard of here yet"))

    def start_again(self) -> None:
        """Follow another member."""
        if self._stream is not None and not self._stream.done():
            log.warning("the watch on etcd stays behind at revision %d", self.revision)
            self._gateway.avoid()
            self._stream.cancel()

    async def _follow(self) -> None:
        delay = _RETRY_DELAY
        while True:
            before = self._streams
            self._stream = asyncio.create_task(self._stream_once())
            try:
                await asyncio.shield(self._stream)
            except Compacted as error:
                log.warning("%s: what was missed cannot be read any more", error)
                await self._skip_to_the_present()
                self.hub.lose_all(error)  # who comes from now on hears everything from the present on
            except StoreError as error:
                stood = self._streams != before
                delay = _RETRY_DELAY if stood else min(delay * 2, _LONGEST_DELAY)
                log.log(logging.INFO if stood else logging.DEBUG, "the watch on etcd starts again: %s", error)
                self._gateway.avoid()
                await asyncio.sleep(delay)
            except asyncio.CancelledError:
                if not self._stream.cancelled():  # it is we who are to end
                    self._stream.cancel()
                    await asyncio.gather(self._stream, return_exceptions=True)
                    raise

    async def _stream_once(self) -> None:
        async with aclosing(events_from(self._gateway, self.revision + 1, self.offset, self._stands)) as stream:
            async for events in stream:
                self.hub.dispatch(events)
                self._advance(events[-1].revision)

    def _stands(self) -> None:
        self._streams += 1
        self._created.set()

    async def _skip_to_the_present(self) -> None:
        while True:
            try:
                self._advance(await self._origin.current_revision())
            except StoreUnavailable:
                await asyncio.sleep(_RETRY_DELAY)
            else:
                return

    async def _keep_looking(self) -> None:
        """Start the stream again elsewhere when etcd has gone on and it has not."""
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            seen = self.revision
            try:
                current = await self._origin.current_revision()
            except StoreError:
                continue
            if current <= self.revision:
                continue
            await asyncio.sleep(1.0)
            if self.revision == seen:
                self.start_again()

    def _advance(self, revision: int) -> None:
        self.revision = max(revision, self.revision)
        while self._waiting and self._waiting[0][0] <= self.revision:
            _, _, future = heapq.heappop(self._waiting)
            if not future.done():
                future.set_result(None)


async def events_from(
    gateway: Gateway, revision: int, offset: int, created: Callable[[], None] | None = None
) -> AsyncGenerator[list[WatchEvent], None]:
    """All events from a revision on, whole revisions at a time. Raises `Compacted`, `StoreUnavailable`."""
    create = {
        "key": NOTHING,
        "range_end": NOTHING,
        "start_revision": revision - offset,
        "prev_kv": True,
        "fragment": True,
    }
    events: list[WatchEvent] = []
    async with aclosing(gateway.watch(create)) as stream:
        async for response in stream:
            _check(response, revision, offset)
            if response.created and created is not None:
                created()
            events += [_event(event, offset) for event in response.events]
            if events and not response.fragment:
                yield events
                events = []


def _check(response: WatchResponse, revision: int, offset: int) -> None:
    if response.compact_revision:
        raise Compacted(requested=revision, compact_revision=response.compact_revision + offset)
    if response.canceled:
        raise StoreUnavailable(f"etcd ended the watch: {response.cancel_reason}")


def _event(event: Event, offset: int) -> WatchEvent:
    kv = event.kv
    previous = None if event.prev_kv is None else key_value(event.prev_kv, offset)
    if event.type == "DELETE":
        if previous is None:  # its last value went away with the history before this revision
            raise Compacted(requested=kv.mod_revision + offset, compact_revision=kv.mod_revision + offset)
        kv.create_revision = previous.create_revision - offset
        deleted = key_value(kv, offset, value=previous.value)
        return WatchEvent(type=EventType.DELETED, kv=deleted, previous=previous)
    if kv.create_revision == kv.mod_revision:
        return WatchEvent(type=EventType.CREATED, kv=key_value(kv, offset), previous=None)
    if previous is None:
        raise Compacted(requested=kv.mod_revision + offset, compact_revision=kv.mod_revision + offset)
    return WatchEvent(type=EventType.UPDATED, kv=key_value(kv, offset), previous=previous)
