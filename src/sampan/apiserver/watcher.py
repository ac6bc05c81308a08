"""One client's watch: what it selects, and the events that wait for it. A watcher that does not read is cut off."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from sampan.apiserver.cache import Event, ResourceCache
from sampan.apiserver.objects import CachedObject

if TYPE_CHECKING:
    from sampan.apiserver.custom.conversion import Converter
    from sampan.apiserver.views import View

MAX_QUEUED = 10_000
BOOKMARK_SECONDS = 60.0

UNDECIDED = ""  # whether the event is the watcher's at all

Matcher = Callable[[CachedObject], bool]
Entry = bytes | CachedObject | tuple[str, Event]


class Watcher:
    """Implements `Frames`. Events are matched as they come and encoded as they are read."""

    def __init__(
        self,
        cache: ResourceCache,
        view: View,
        *,
        namespace: str = "",
        name: str = "",
        matches: Matcher | None = None,
        index: str | None = None,
        bookmarks: bool = False,
        timeout: float,
    ) -> None:
        self.cache = cache
        self.view = view
        self.index = index
        self._prefix = f"{namespace}/" if namespace and cache.namespaced else ""
        # What of the resource it has to be told of: all, a namespace, one object.
        self.scope = self._prefix + name if name and bool(self._prefix) == cache.namespaced else self._prefix
        self._matches = matches
        self._bookmarks = bookmarks
        self._deadline = asyncio.get_running_loop().time() + timeout
        self._queue: deque[Entry] = deque()
        self._limit = MAX_QUEUED
        self._waiter: asyncio.Future[None] | None = None
        self._over = False

    def offer(self, event: Event) -> None:
        if self._over or (self._prefix and not event.object.key.startswith(self._prefix)):
            return
        if self._matches is None:
            self._put(("DELETED" if event.deleted else "ADDED" if event.previous is None else "MODIFIED", event))
        elif self.view.endpoint.converter is not None:
            # Where versions differ, what the selector looks at may have to be converted first.
            self._put((UNDECIDED, event))
        elif kind := self._kind(event, self._matches):
            self._put((kind, event))

    @staticmethod
    def _kind(event: Event, matches: Matcher) -> str:
        """What the event is to a watcher that selects; empty: nothing."""
        is_in = not event.deleted and matches(event.object)
        was_in = event.previous is not None and matches(event.previous)
        if is_in:
            return "MODIFIED" if was_in else "ADDED"
        if was_in:
            return "DELETED" if event.deleted else "LEFT"
        return ""

    def put(self, entries: Iterable[bytes | CachedObject]) -> None:
        """What comes before the live events: the initial state, a bookmark. It does not count as falling behind."""
        self._queue.extend(entries)
        self._limit = MAX_QUEUED + len(self._queue)
        self._wake()

    def end(self) -> None:
        self._over = True
        self._wake()

    def close(self) -> None:
        self.cache.remove_watcher(self)
        self.end()

    async def next(self) -> Sequence[bytes] | None:
        frames: list[bytes] = []
        while not frames:  # nothing of what came may be this watcher's
            while not self._queue:
                if self._over:
                    return None
                loop = asyncio.get_running_loop()
                left = self._deadline - loop.time()
                if left <= 0:
                    return None
                self._waiter = loop.create_future()
                wait = min(left, BOOKMARK_SECONDS) if self._bookmarks else left
                timer = loop.call_later(wait, self._wake)
                try:
                    await self._waiter
                finally:
                    timer.cancel()
                    self._waiter = None
                if not self._queue and not self._over and self._bookmarks:
                    return [self.view.bookmark(self.cache.revision)]
            queue, view = self._queue, self.view
            if view.endpoint.converter is not None:
                await self._convert(view.endpoint.converter)
            for _ in range(min(len(queue), view.batch)):
                entry = queue.popleft()
                if isinstance(entry, tuple):
                    frames.append(view.frame(*entry))
                else:
                    frames.append(entry if isinstance(entry, bytes) else view.added(entry))
        return frames

    async def _convert(self, converter: Converter) -> None:
        """The next entries: what the selector looks at, then what is told of it."""
        count = min(len(self._queue), self.view.batch)
        waiting = [e for e in islice(self._queue, count) if isinstance(e, tuple) and e[0] == UNDECIDED]
        await converter.prepare([o for _, event in waiting for o in (event.object, event.previous) if o is not None])
        # Meanwhile it may have fallen too far behind, and then nothing waits any more.
        entries = [self._queue.popleft() for _ in range(min(count, len(self._queue)))]
        decided: list[Entry] = []
        for entry in entries:
            if isinstance(entry, tuple) and entry[0] == UNDECIDED and self._matches is not None:
                if kind := self._kind(entry[1], self._matches):
                    decided.append((kind, entry[1]))
            else:
                decided.append(entry)
        self._queue.extendleft(reversed(decided))
        await converter.prepare_events(self.view, decided)

    def _put(self, entry: tuple[str, Event]) -> None:
        if len(self._queue) >= self._limit:
            self._queue.clear()
            self.end()
            return
        self._queue.append(entry)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
