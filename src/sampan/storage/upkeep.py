"""What a store does by itself: delete keys whose time is up, forget history that is old or too much. Sleeps when there
is nothing."""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from sampan.storage.contract import DeleteResult, KeyNotFound, RevisionConflict, StoreError
from sampan.storage.index import Index, Version

log = logging.getLogger(__name__)

_MARKS_PER_AGE = 10  # how finely the age of history is known
_LEAST_DELAY = 0.5  # seconds: keys that expire close together go in one batch
_MOST_DELAY = 300.0  # seconds: the machine may have slept meanwhile
_RETRY_DELAY = 10.0  # seconds, after the disk was full


@dataclass(slots=True, frozen=True, kw_only=True)
class UpkeepConfig:
    """How much history is kept: for so long, unless what was overwritten and deleted takes more room or rows than
    this."""

    history_seconds: float = 300.0
    history_bytes: int = 128 * 2**20
    history_rows: int = 50_000


class Keeper(Protocol):
    """What upkeep needs of its store."""

    index: Index

    async def delete(self, *, key: str, expected_revision: int | None = None) -> DeleteResult: ...
    async def compact(self, *, revision: int) -> None: ...


class Upkeep:
    def __init__(self, store: Keeper, config: UpkeepConfig, clock: Callable[[], float]) -> None:
        self._store = store
        self._config = config
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._deadlines: list[tuple[int, str, int]] = []  # a heap of (when, key, revision)
        self._marks: deque[tuple[float, int]] = deque()  # what the revision was, when
        self._timer: asyncio.TimerHandle | None = None
        self._due = float("inf")  # the clock's time the timer is set for
        self._task: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        self._stopped = False

    def start(self) -> None:
        for version in self._store.index.latest.values():
            if version.expires_at and not version.deleted:
                self._deadlines.append((version.expires_at, version.key, version.revision))
        heapq.heapify(self._deadlines)
        self._set_timer()

    async def stop(self) -> None:
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def expires(self, version: Version) -> None:
        heapq.heappush(self._deadlines, (version.expires_at, version.key, version.revision))

    def wrote(self) -> None:
        """There are new writes: see that the timer is set early enough."""
        index = self._store.index
        if index.garbage_bytes > self._config.history_bytes or index.garbage_count > self._config.history_rows:
            self._run_soon()
        else:
            self._set_timer()

    async def run(self) -> None:
        async with self._turn:
            await self._expire()
            await self._forget()

    async def _expire(self) -> None:
        now = int(self._clock() * 1000)
        due: list[tuple[int, str, int]] = []
        while self._deadlines and self._deadlines[0][0] <= now:
            deadline = heapq.heappop(self._deadlines)
            current = self._store.index.current(deadline[1])
            if current is not None and current.revision == deadline[2]:
                due.append(deadline)
        deletes = (self._store.delete(key=key, expected_revision=revision) for _, key, revision in due)
        answers = await asyncio.gather(*deletes, return_exceptions=True)
        for (_, key, revision), answer in zip(due, answers, strict=True):
            if isinstance(answer, BaseException) and not isinstance(answer, KeyNotFound | RevisionConflict):
                log.warning("could not delete expired %s: %s", key, answer)
                heapq.heappush(self._deadlines, (now + int(_RETRY_DELAY * 1000), key, revision))

    async def _forget(self) -> None:
        now = self._clock()
        index = self._store.index
        target = 0
        if index.revision > index.base and (not self._marks or self._marks[-1][1] < index.revision):
            self._marks.append((now, index.revision))
        while self._marks and self._marks[0][0] <= now - self._config.history_seconds:
            target = self._marks.popleft()[1]
        too_much = max(
            index.garbage_bytes / self._config.history_bytes, index.garbage_count / self._config.history_rows
        )
        if too_much > 1:
            target = max(target, index.revision_that_frees(share=1 - 0.5 / too_much))
        if target > index.base:
            try:
                await self._store.compact(revision=target)
            except StoreError as error:
                log.warning("could not compact to %d, will try again: %s", target, error)

    def _set_timer(self) -> None:
        if self._stopped:
            return
        due = self._deadlines[0][0] / 1000 if self._deadlines else float("inf")
        if self._store.index.revision > self._store.index.base:
            due = min(due, self._next_mark())
        if due >= self._due and self._timer is not None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._due = due
        if due != float("inf"):
            delay = min(max(due - self._clock(), _LEAST_DELAY), _MOST_DELAY)
            self._timer = self._loop.call_later(delay, self._run_soon)

    def _next_mark(self) -> float:
        # While there is history a mark is due this often, and the oldest one says when something may go.
        now = self._clock()
        step = self._config.history_seconds / _MARKS_PER_AGE
        return self._marks[-1][0] + step if self._marks and self._marks[-1][0] + step > now else now + step

    def _run_soon(self) -> None:
        if self._stopped or (self._task is not None and not self._task.done()):
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._task = self._loop.create_task(self._run_and_go_on())

    async def _run_and_go_on(self) -> None:
        try:
            await self.run()
        except Exception:
            log.exception("upkeep failed, will try again")
        finally:
            self._task = None
            self._due = float("inf")
            self._set_timer()
