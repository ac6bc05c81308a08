"""The embedded store: an index and watchers on the loop, a log behind a worker. Memory and SQLite differ in the log
alone.

A write's way: queued by its method → decided with all that queued up meanwhile, as one batch (`plan.decide`) →
appended to the log by the worker, one transaction → applied to the index, the next batch sent off, events dispatched,
callers answered: `_finish`. One batch is at the disk at a time; what arrives in between is the next one. That is the
group commit.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from time import time
from typing import Any

import msgspec

from sampan.storage.contract import (
    Compacted,
    DeleteResult,
    EventType,
    FutureRevision,
    KeyValue,
    RangeResult,
    Store,
    StoreClosed,
    StoreCorrupt,
    StoreError,
    StoreFailed,
    Subscription,
    Watch,
    WatchEvent,
)
from sampan.storage.hub import Hub
from sampan.storage.index import Index, Version
from sampan.storage.log import Log
from sampan.storage.plan import Accepted, Create, Delete, Operation, Plan, Refused, Update, decide
from sampan.storage.upkeep import Upkeep, UpkeepConfig
from sampan.storage.values import RecentValues
from sampan.storage.watch import CallbackSubscription, QueueWatch

_MAX_BATCH = 512  # operations: a batch's first caller waits for its last
_MAX_BATCH_BYTES = 4 * 2**20


class _Pending(msgspec.Struct, eq=False):
    operation: Operation
    future: asyncio.Future[Any]


class EmbeddedStore(Store):
    def __init__(
        self,
        *,
        log: Log,
        index: Index,
        values: RecentValues,
        upkeep: UpkeepConfig,
        clock: Callable[[], float] = time,
    ) -> None:
        self.hub = Hub()
        self.index = index
        self._log = log
        self._values = values
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._pending: deque[_Pending] = deque()
        self._at_disk = False
        self._dispatched = index.revision
        self._compacting = asyncio.Lock()
        self._copying = asyncio.Lock()
        self._refuse: StoreError | None = None
        self._closing: asyncio.Task[None] | None = None
        self._drained = asyncio.Event()
        self._upkeep = Upkeep(self, upkeep, clock)
        self._upkeep.start()

    # Reads

    @property
    def revision(self) -> int:
        return self._dispatched

    async def current_revision(self) -> int:
        return self.index.revision

    async def barrier(self) -> int:
        return self.index.revision

    async def get(self, *, key: str) -> KeyValue | None:
        self._check_open()
        while (version := self.index.current(key)) is not None:
            value = self._values.get(version.revision)
            if value is None:
                try:
                    value = (await self._read([version], at=self.index.revision))[version.revision]
                except Compacted:
                    continue  # overwritten and compacted while we read: look again
            return _key_value(version, value)
        return None

    async def range(
        self, *, prefix: str, limit: int = 0, start_after: str | None = None, revision: int = 0
    ) -> RangeResult:
        self._check_open()
        at = revision or self.index.revision
        self._check_readable(at)
        versions = self.index.under(prefix, after=start_after, revision=at)
        page = versions[:limit] if limit else versions
        values = await self._read(page, at=at)
        return RangeResult(
            items=[_key_value(version, values[version.revision]) for version in page],
            revision=at,
            more=len(page) < len(versions),
            remaining=len(versions) - len(page),
        )

    def watch(self, *, prefix: str, from_revision: int = 0, max_queued: int = 10_000) -> Watch:
        self._check_open()
        return QueueWatch(self, prefix=prefix, from_revision=from_revision, max_queued=max_queued)

    def subscribe(
        self,
        *,
        prefix: str,
        callback: Callable[[Sequence[WatchEvent]], None],
        on_lost: Callable[[StoreError], None] | None = None,
    ) -> Subscription:
        self._check_open()
        return CallbackSubscription(self, prefix=prefix, callback=callback, on_lost=on_lost)

    def history(self, *, from_revision: int, prefix: str) -> list[Version]:
        self._check_open()
        if from_revision <= self.index.compact_revision:
            raise Compacted(requested=from_revision, compact_revision=self.index.compact_revision)
        return self.index.since(from_revision, prefix)

    async def read_events(self, versions: Sequence[Version]) -> list[WatchEvent]:
        if versions[0].revision <= self.index.compact_revision:
            raise Compacted(requested=versions[0].revision, compact_revision=self.index.compact_revision)
        pairs = [(version, _live(version.older)) for version in versions]
        wanted = [one for pair in pairs for one in pair if one is not None and not one.deleted]
        values = await self._read(wanted, at=versions[0].revision - 1)
        return [_event(version, values.get(version.revision, b""), older, values) for version, older in pairs]

    async def _read(self, versions: Sequence[Version], *, at: int) -> dict[int, bytes]:
        """The values of versions that were there at revision `at` or are newer."""
        values: dict[int, bytes] = {}
        missing = []
        for version in versions:
            value = self._values.get(version.revision)
            if value is None:
                missing.append(version.revision)
            else:
                values[version.revision] = value
        if missing:
            values |= await self._log.read(missing)
            lost = [revision for revision in missing if revision not in values]
            if lost:
                self._check_readable(at)
                raise StoreCorrupt(f"the log has lost revision {lost[0]} ({len(lost)} in all)")
        return values

    # Writes

    async def create(
        self, *, key: str, value: bytes, ttl_seconds: float | None = None, guards: Sequence[str] = ()
    ) -> KeyValue:
        del guards  # nobody else writes here
        kv: KeyValue = await self._write(Create(key, value, self._expiry(ttl_seconds)))
        return kv

    async def update(
        self,
        *,
        key: str,
        value: bytes,
        expected_revision: int,
        ttl_seconds: float | None = None,
        guards: Sequence[str] = (),
    ) -> KeyValue:
        del guards
        kv: KeyValue = await self._write(Update(key, value, expected_revision, self._expiry(ttl_seconds)))
        return kv

    async def delete(self, *, key: str, expected_revision: int | None = None) -> DeleteResult:
        result: DeleteResult = await self._write(Delete(key, expected_revision))
        return result

    def _write(self, operation: Operation) -> asyncio.Future[Any]:
        self._check_open()
        if self._refuse is not None:
            raise self._refuse
        operation.key.encode()  # what is not text must fail here, where it came from
        future = self._loop.create_future()
        if not self._pending and not self._at_disk:
            self._loop.call_soon(self._flush)  # after all that is ready to run now has queued its writes too
        self._pending.append(_Pending(operation, future))
        return future

    def _flush(self) -> None:
        """Send what is queued to the disk, unless a batch is there already."""
        if self._at_disk or not self._pending:
            return
        batch = self._take_batch()
        plan = decide([pending.operation for pending in batch], self.index)
        held = {revision: value for revision in plan.wanted if (value := self._values.get(revision)) is not None}
        missing = list(plan.wanted - held.keys())

        def done(read: dict[int, bytes] | None, error: StoreError | None) -> None:
            self._at_disk = False
            if error is None and len(read or ()) < len(missing):
                error = StoreCorrupt("the log has lost values that are current")
            if error is not None:
                self._fail(batch, error)
            else:
                self._finish(batch, plan, held | (read or {}))
            if not self._pending and not self._at_disk:
                self._drained.set()

        self._at_disk = True
        self._drained.clear()
        if plan.rows or missing:
            self._log.write(plan.rows, missing, done)
        else:
            done({}, None)

    def _take_batch(self) -> list[_Pending]:
        size = 0
        count = 0
        for pending in islice(self._pending, _MAX_BATCH):
            size += 0 if isinstance(pending.operation, Delete) else len(pending.operation.value)
            if count and size > _MAX_BATCH_BYTES:
                break
            count += 1
        return [self._pending.popleft() for _ in range(count)]

    def _finish(self, batch: list[_Pending], plan: Plan, old_values: dict[int, bytes]) -> None:
        for outcome in plan.outcomes:
            if isinstance(outcome, Accepted):
                self._apply(outcome)
                old_values[outcome.version.revision] = outcome.value
        self._flush()  # the disk works on while we tell about this batch
        events = []
        answers: list[KeyValue | DeleteResult | StoreError] = []
        for outcome in plan.outcomes:
            if isinstance(outcome, Refused):
                current = outcome.current
                kv = None if current is None else _key_value(current, old_values[current.revision])
                answers.append(outcome.error(kv))
                continue
            event = _event(outcome.version, outcome.value, outcome.previous, old_values)
            events.append(event)
            if event.type is EventType.DELETED:
                assert event.previous is not None
                answers.append(DeleteResult(previous=event.previous, revision=event.revision))
            else:
                answers.append(event.kv)
        if events:
            self.hub.dispatch(events)
            self._dispatched = events[-1].revision
            self._upkeep.wrote()
        for pending, answer in zip(batch, answers, strict=True):
            _answer(pending.future, answer)

    def _apply(self, accepted: Accepted) -> None:
        version = accepted.version
        self.index.apply(version)
        if not version.deleted:
            self._values.put(version.revision, accepted.value)
        if accepted.previous is not None:
            self._values.drop(accepted.previous.revision)
        if version.expires_at:
            self._upkeep.expires(version)

    def _fail(self, batch: list[_Pending], error: StoreError) -> None:
        if isinstance(error, StoreFailed | StoreCorrupt):
            self._refuse = error
            batch = [*batch, *self._pending]
            self._pending.clear()
        for pending in batch:
            _answer(pending.future, type(error)(*error.args))  # each its own: a traceback belongs to one caller
        self._flush()

    def _expiry(self, ttl_seconds: float | None) -> int:
        return 0 if ttl_seconds is None else max(int((self._clock() + ttl_seconds) * 1000), 1)

    # Upkeep

    async def compact(self, *, revision: int) -> None:
        self._check_open()
        if revision > self.index.revision:
            raise FutureRevision(requested=revision, current_revision=self.index.revision)
        async with self._compacting:
            while revision > min(self.index.base, self.index.compact_revision):
                step = self.index.compaction_step(revision=revision)
                # Before the rows go, so that a reader that misses one of them knows why.
                self.index.compact_revision = max(step.revision, self.index.compact_revision)
                await self._log.compact(step.revision, step.doomed, step.kept_count, step.kept_sum)
                self.index.compacted(step)
                for doomed in step.doomed:
                    self._values.drop(doomed)

    async def maintain(self) -> None:
        """Delete what has expired and forget old history, as the timers do. For tests with a clock of their own."""
        await self._upkeep.run()

    async def life_spans(self) -> dict[str, float]:
        self._check_open()
        now = self._clock()
        latest = self.index.latest.values()
        return {v.key: max(v.expires_at / 1000 - now, 0.0) for v in latest if v.expires_at and not v.deleted}

    async def snapshot(self, *, path: Path) -> int:
        self._check_open()
        async with self._copying:
            return await self._log.snapshot(path)

    async def close(self) -> None:
        if self._closing is None:
            self._closing = self._loop.create_task(self._close())
        await asyncio.shield(self._closing)  # begun, it is finished, even if nobody waits any more

    async def _close(self) -> None:
        await self._upkeep.stop()
        while self._pending or self._at_disk:
            self._drained.clear()
            await self._drained.wait()
        self.hub.lose_all(StoreClosed())
        async with self._compacting, self._copying:
            await self._log.close()

    def _check_open(self) -> None:
        if self._closing is not None:
            raise StoreClosed

    def _check_readable(self, revision: int) -> None:
        if revision > self.index.revision:
            raise FutureRevision(requested=revision, current_revision=self.index.revision)
        if revision < self.index.compact_revision:
            raise Compacted(requested=revision, compact_revision=self.index.compact_revision)


def _live(version: Version | None) -> Version | None:
    return None if version is None or version.deleted else version


def _key_value(version: Version, value: bytes) -> KeyValue:
    return KeyValue(key=version.key, value=value, revision=version.revision, create_revision=version.create_revision)


def _event(version: Version, value: bytes, older: Version | None, values: dict[int, bytes]) -> WatchEvent:
    previous = None if older is None else _key_value(older, values[older.revision])
    if previous is None:
        return WatchEvent(type=EventType.CREATED, kv=_key_value(version, value), previous=None)
    if version.deleted:
        return WatchEvent(type=EventType.DELETED, kv=_key_value(version, previous.value), previous=previous)
    return WatchEvent(type=EventType.UPDATED, kv=_key_value(version, value), previous=previous)


def _answer(future: asyncio.Future[Any], answer: KeyValue | DeleteResult | BaseException) -> None:
    if future.done():  # its caller went away; the write stands
        return
    if isinstance(answer, BaseException):
        future.set_exception(answer)
    else:
        future.set_result(answer)
