"""The two ways to hear of writes: a queue that is iterated, and a callback.

A queue joins the hub first and then reads what it missed from history, so nothing falls between the two: live events
wait behind.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from itertools import chain, islice
from types import TracebackType
from typing import Protocol, Self

from sampan.storage.contract import (
    StoreError,
    Subscription,
    Watch,
    WatcherTooSlow,
    WatchEvent,
)
from sampan.storage.hub import Hub
from sampan.storage.index import Version

log = logging.getLogger(__name__)

_HISTORY_CHUNK = 200  # events read from the log at a time


class Source(Protocol):
    """What a watch needs of its store."""

    hub: Hub

    @property
    def revision(self) -> int:
        """The newest revision that has been dispatched."""

    def history(self, *, from_revision: int, prefix: str) -> list[Version]:
        """Writes from that revision on. Raises `Compacted`."""

    async def read_events(self, versions: Sequence[Version]) -> list[WatchEvent]:
        """The same with values. Raises `Compacted`."""


class QueueWatch(Watch):
    def __init__(self, source: Source, *, prefix: str, from_revision: int, max_queued: int) -> None:
        self._source = source
        self._prefix = prefix
        self._from_revision = from_revision
        self._max_queued = max_queued
        self._history: deque[Version] = deque()
        self._live: deque[Sequence[WatchEvent]] = deque()
        self._queued = 0
        self._waiter: asyncio.Future[None] | None = None
        self._error: StoreError | None = None
        self._over = False

    async def __aenter__(self) -> Self:
        if self._from_revision:
            self._history.extend(self._source.history(from_revision=self._from_revision, prefix=self._prefix))
        self._source.hub.add(self._prefix, self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    async def __anext__(self) -> Sequence[WatchEvent]:
        while True:
            if self._error is not None:
                raise self._error
            if self._over:
                raise StopAsyncIteration
            if self._history:
                return await self._next_from_history()
            if self._live:
                return self._take_live()
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None

    async def progress(self) -> int:
        if self._error is not None:
            raise self._error
        if self._history:
            return self._history[0].revision - 1
        if self._live:
            return self._live[0][0].revision - 1
        return self._source.revision

    def deliver(self, events: Sequence[WatchEvent]) -> None:
        if events[0].revision < self._from_revision:  # asked for a revision that was yet to come
            events = [event for event in events if event.revision >= self._from_revision]
            if not events:
                return
        self._queued += len(events)
        if self._queued > self._max_queued:
            self.lose(WatcherTooSlow(prefix=self._prefix, queued=self._queued))
            return
        self._live.append(events)
        self._wake()

    def lose(self, error: StoreError) -> None:
        self._error = error
        self._end()

    async def _next_from_history(self) -> Sequence[WatchEvent]:
        chunk = list(islice(self._history, _HISTORY_CHUNK))
        try:
            events = await self._source.read_events(chunk)
        except StoreError as error:
            self.lose(error)
            raise
        if self._error is not None:
            raise self._error  # cut off while reading
        for _ in range(min(len(chunk), len(self._history))):
            self._history.popleft()
        return events

    def _take_live(self) -> Sequence[WatchEvent]:
        # All that waits goes out at once: one that fell behind catches up with fewer turns of the loop.
        batch = self._live[0] if len(self._live) == 1 else list(chain.from_iterable(self._live))
        self._live.clear()
        self._queued = 0
        return batch

    def _end(self) -> None:
        self._over = True
        self._source.hub.remove(self._prefix, self)
        self._history.clear()
        self._live.clear()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class CallbackSubscription(Subscription):
    def __init__(
        self,
        source: Source,
        *,
        prefix: str,
        callback: Callable[[Sequence[WatchEvent]], None],
        on_lost: Callable[[StoreError], None] | None,
    ) -> None:
        self._source = source
        self._prefix = prefix
        self._callback = callback
        self._on_lost = on_lost
        source.hub.add(prefix, self)

    @property
    def revision(self) -> int:
        return self._source.revision

    def close(self) -> None:
        self._source.hub.remove(self._prefix, self)

    def deliver(self, events: Sequence[WatchEvent]) -> None:
        try:
            self._callback(events)
        except Exception as error:
            # It has missed events now. The writers must not suffer for it, and nobody may read on as if nothing had
            # happened.
            log.exception("a subscriber to %s failed and is cut off", self._prefix)
            self.lose(StoreError(f"the subscriber to {self._prefix} failed: {error}"))

    def lose(self, error: StoreError) -> None:
        self.close()
        if self._on_lost is not None:
            self._on_lost(error)
