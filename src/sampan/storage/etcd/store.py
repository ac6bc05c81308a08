"""The storage contract on etcd.

A write is one transaction that compares revisions. It returns when the feed has handed its event on, so that caches
of this process include it; a refused one when the feed has handed on what it was refused for. Writes to one key are
sent one after the other, in the order they came; writes to different keys travel side by side, and etcd gives them
their order.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from pathlib import Path

from sampan.storage.contract import (
    Compacted,
    DeleteResult,
    FutureRevision,
    KeyExists,
    KeyNotFound,
    KeyValue,
    RangeResult,
    RevisionConflict,
    Store,
    StoreClosed,
    StoreError,
    Subscription,
    Watch,
    WatchEvent,
)
from sampan.storage.etcd.connection import EtcdRefused
from sampan.storage.etcd.feed import Feed, events_from
from sampan.storage.etcd.gateway import Gateway
from sampan.storage.etcd.head import Head
from sampan.storage.etcd.transactions import Transactions
from sampan.storage.etcd.watch import EtcdWatch, Live
from sampan.storage.etcd.wire import (
    NOTHING,
    Body,
    Kv,
    LeaseResponse,
    Message,
    RangeResponse,
    TxnResponse,
    compare,
    key_value,
    range_end,
    read,
)
from sampan.storage.hub import Hub
from sampan.storage.log import Row
from sampan.storage.watch import CallbackSubscription

log = logging.getLogger(__name__)

_OFFSET_KEY = b"sampan/revision-offset"  # beside what is stored: all of that starts with a slash
_PAGE = 500  # keys asked for at a time
_OUT_OF_RANGE = 11  # gRPC
_TOO_MUCH = 8  # gRPC: a page that is larger than a message may be


class EtcdStore(Store):
    shared = True

    def __init__(
        self, gateway: Gateway, *, history_seconds: float = 0, lease_seconds: Callable[[float], int] = math.ceil
    ) -> None:
        self._gateway = gateway
        self._history_seconds = history_seconds
        self._feed = Feed(gateway, self)
        self._head = Head(self.current_revision, lambda: self._feed)
        self._transactions = Transactions(gateway, self._heard, lease_seconds)
        self._compacting: asyncio.Task[None] | None = None
        self._closed = False
        self._offset = 0

    async def start(self) -> None:
        found = await self._range({"key": _OFFSET_KEY})
        self._offset = self._feed.offset = int(found.kvs[0].value) if found.kvs else 0
        await self._feed.start()
        if self._history_seconds:
            self._compacting = asyncio.create_task(self._keep_compacting())

    # Reads

    @property
    def hub(self) -> Hub:
        return self._feed.hub

    @property
    def revision(self) -> int:
        return self._feed.revision

    async def current_revision(self) -> int:
        self._check_open()
        found = await self._range({"key": NOTHING, "count_only": True})
        return found.header.revision + self._offset

    async def barrier(self) -> int:
        self._check_open()
        return await self._head.abreast()

    async def get(self, *, key: str) -> KeyValue | None:
        self._check_open()
        found = await self._range({"key": key.encode()})
        return key_value(found.kvs[0], self._offset) if found.kvs else None

    async def range(
        self, *, prefix: str, limit: int = 0, start_after: str | None = None, revision: int = 0
    ) -> RangeResult:
        self._check_open()
        kvs, at, count = await self._pages(prefix, limit, start_after, revision)
        items = [key_value(kv, self._offset) for kv in kvs]
        return RangeResult(items=items, revision=at, more=len(items) < count, remaining=count - len(items))

    async def _pages(
        self, prefix: str, limit: int, start_after: str | None, revision: int
    ) -> tuple[list[Kv], int, int]:
        """The keys, the revision they are at, and how many there are without the limit."""
        start, size = prefix.encode(), _PAGE
        if start_after is not None:
            start = max(start, start_after.encode() + b"\0")
        kvs: list[Kv] = []
        count = None
        while count is None or len(kvs) < (min(limit, count) if limit else count):
            wanted = min(size, limit - len(kvs)) if limit else size
            body = {"key": start or NOTHING, "range_end": range_end(prefix.encode()), "limit": wanted}
            try:
                page = await self._range(body, revision)
            except EtcdRefused as error:
                if error.code != _TOO_MUCH or wanted == 1:
                    raise
                size = max(wanted // 4, 1)
                continue
            revision = revision or page.header.revision + self._offset
            count = page.count if count is None else count
            kvs += page.kvs
            if not page.kvs:
                break
            start = page.kvs[-1].key + b"\0"
        return kvs, revision, count or 0

    async def _range(self, body: Body, revision: int = 0) -> RangeResponse:
        if revision:
            if revision <= self._offset:  # from before it was copied here
                raise Compacted(requested=revision, compact_revision=await self._compact_revision())
            body = {**body, "revision": revision - self._offset}
        try:
            return await self._gateway.read("/v3/kv/range", body, RangeResponse)
        except EtcdRefused as error:
            if revision and error.code == _OUT_OF_RANGE:
                raise await self._out_of_range(error, revision) from None
            raise

    async def _out_of_range(self, error: EtcdRefused, revision: int) -> StoreError:
        if "future" in str(error):
            return FutureRevision(requested=revision, current_revision=await self.current_revision())
        return Compacted(requested=revision, compact_revision=await self._compact_revision())

    async def _compact_revision(self) -> int:
        return await asyncio.ensure_future(self._find_compact_revision())

    async def _find_compact_revision(self) -> int:
        """etcd names it only to a watch that comes too late."""
        try:
            async with aclosing(events_from(self._gateway, self._offset + 1, self._offset)) as stream:
                async with asyncio.timeout(5):
                    async for _ in stream:
                        break
        except Compacted as error:
            return error.compact_revision
        except TimeoutError:
            pass
        return self._offset

    # Writes

    async def create(
        self, *, key: str, value: bytes, ttl_seconds: float | None = None, guards: Sequence[str] = ()
    ) -> KeyValue:
        raw = key.encode()
        async with self._turn(key), self._transactions.lease(ttl_seconds) as lease:
            answer = await self._transactions.run(
                when=[compare(raw, "CREATE", "EQUAL", 0)],
                then=[{"request_put": {"key": raw, "value": value, **lease}}],
                otherwise=[read(raw)],
                guards=guards,
            )
            if not answer.succeeded:
                raise KeyExists(current=self._there(answer, key))
            revision = answer.header.revision + self._offset
            return KeyValue(key=key, value=value, revision=revision, create_revision=revision)

    async def update(
        self,
        *,
        key: str,
        value: bytes,
        expected_revision: int,
        ttl_seconds: float | None = None,
        guards: Sequence[str] = (),
    ) -> KeyValue:
        raw = key.encode()
        async with self._turn(key), self._transactions.lease(ttl_seconds) as lease:
            answer = await self._transactions.run(
                when=self._unchanged(raw, expected_revision),
                then=[{"request_put": {"key": raw, "value": value, **lease}}, read(raw, keys_only=True)],
                otherwise=[read(raw)],
                guards=guards,
            )
            if not answer.succeeded:
                raise RevisionConflict(expected=expected_revision, current=self._there(answer, key))
            written = answer.responses[1].response_range
            assert written is not None
            return key_value(written.kvs[0], self._offset, value=value)

    async def delete(self, *, key: str, expected_revision: int | None = None) -> DeleteResult:
        raw = key.encode()
        async with self._turn(key):
            answer = await self._transactions.run(
                when=self._unchanged(raw, expected_revision),
                then=[{"request_delete_range": {"key": raw, "prev_kv": True}}],
                otherwise=[read(raw)],
            )
            if not answer.succeeded:
                raise RevisionConflict(expected=expected_revision or 0, current=self._there(answer, key))
            deleted = answer.responses[0].response_delete_range
            assert deleted is not None
            revision = answer.header.revision + self._offset
            return DeleteResult(previous=key_value(deleted.prev_kvs[0], self._offset), revision=revision)

    def _unchanged(self, raw: bytes, expected: int | None) -> list[Body]:
        there = compare(raw, "CREATE", "GREATER", 0)
        return [there] if expected is None else [there, compare(raw, "MOD", "EQUAL", max(expected - self._offset, 0))]

    def _there(self, answer: TxnResponse, key: str) -> KeyValue:
        found = answer.responses[0].response_range
        if found is None or not found.kvs:
            raise KeyNotFound(key=key)
        return key_value(found.kvs[0], self._offset)

    # Watches

    def watch(self, *, prefix: str, from_revision: int = 0, max_queued: int = 10_000) -> Watch:
        self._check_open()
        return EtcdWatch(self, prefix=prefix, from_revision=from_revision, max_queued=max_queued)

    def subscribe(
        self,
        *,
        prefix: str,
        callback: Callable[[Sequence[WatchEvent]], None],
        on_lost: Callable[[StoreError], None] | None = None,
    ) -> Subscription:
        self._check_open()
        return CallbackSubscription(Live(self), prefix=prefix, callback=callback, on_lost=on_lost)

    async def check_watchable(self, revision: int) -> None:
        if revision <= self._offset:
            raise Compacted(requested=revision, compact_revision=await self._compact_revision())
        try:
            # What was there before the first event that is wanted must be readable: then nothing after it is gone.
            await self._range({"key": NOTHING, "count_only": True}, max(revision - 1, self._offset + 1))
        except Compacted as error:
            raise Compacted(requested=revision, compact_revision=error.compact_revision) from None
        except FutureRevision:
            pass

    async def past(self, *, prefix: str, first: int, last: int) -> list[WatchEvent]:
        return await asyncio.ensure_future(self._past(prefix, first, last))

    async def _past(self, prefix: str, first: int, last: int) -> list[WatchEvent]:
        found: list[WatchEvent] = []
        async with aclosing(events_from(self._gateway, first, self._offset)) as stream:
            async for events in stream:
                found += [event for event in events if event.revision <= last and event.key.startswith(prefix)]
                if events[-1].revision >= last:
                    break
        return found

    # Upkeep

    async def compact(self, *, revision: int) -> None:
        self._check_open()
        if revision <= self._offset:
            return
        try:
            body = {"revision": revision - self._offset, "physical": True}
            await self._gateway.read("/v3/kv/compaction", body, Message)
        except EtcdRefused as error:
            if error.code != _OUT_OF_RANGE:
                raise
            if "future" in str(error):
                current = await self.current_revision()
                raise FutureRevision(requested=revision, current_revision=current) from None

    async def _keep_compacting(self) -> None:
        """Forget what is older than the history that is kept."""
        mark = 0
        while True:
            await asyncio.sleep(self._history_seconds)
            try:
                if mark:
                    await self.compact(revision=mark)
                mark = await self.current_revision()
            except StoreClosed:
                return
            except StoreError as error:
                log.warning("compaction has to wait: %s", error)

    async def raise_revision(self, *, above: int) -> None:
        """Have every revision from now on be above this one, which another store has reached whose keys come here. Only
        for an etcd that holds nothing yet."""
        if (await self.range(prefix="/", limit=1)).items:
            raise StoreError("this etcd is not empty")
        offset = max(above - (await self.current_revision() - self._offset), self._offset)
        put = {"request_put": {"key": _OFFSET_KEY, "value": b"%d" % offset}}
        await self._feed.stop(StoreError("the revision is being raised"))
        await self._gateway.write("/v3/kv/txn", {"success": [put]}, TxnResponse)
        self._offset = offset
        self._feed = Feed(self._gateway, self)
        self._feed.offset = offset
        await self._feed.start()

    async def life_spans(self) -> dict[str, float]:
        self._check_open()
        kvs, _, _ = await self._pages("/", 0, None, 0)
        return {kv.key.decode(): float(await self._left(kv.lease)) for kv in kvs if kv.lease}

    async def snapshot(self, *, path: Path) -> int:
        """In SQLite's format: what is here now, without its past."""
        from sampan.storage.sqlite import write_snapshot  # only for this does it need SQLite

        self._check_open()
        kvs, revision, _ = await self._pages("/", 0, None, 0)
        now = time.time()
        expiries = {kv.mod_revision: int((now + await self._left(kv.lease)) * 1000) for kv in kvs if kv.lease}
        rows: list[Row] = [
            (
                kv.mod_revision + self._offset,
                kv.key.decode(),
                kv.value,
                kv.create_revision + self._offset,
                expiries.get(kv.mod_revision, 0),
                0,
            )
            for kv in sorted(kvs, key=lambda kv: kv.mod_revision)
        ]
        await asyncio.to_thread(write_snapshot, path, rows, revision)
        return revision

    async def _left(self, lease: int) -> int:
        """Seconds."""
        return max((await self._gateway.read("/v3/lease/timetolive", {"ID": lease}, LeaseResponse)).TTL, 0)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._compacting is not None:
            self._compacting.cancel()
            await asyncio.gather(self._compacting, return_exceptions=True)
        await self._transactions.finished()  # what was accepted
        await self._feed.stop(StoreClosed())
        await self._gateway.close()

    async def _heard(self, revision: int) -> None:
        await self._feed.reached(revision + self._offset)

    def _turn(self, key: str) -> AbstractAsyncContextManager[None]:
        self._check_open()
        return self._transactions.turn(key)

    def _check_open(self) -> None:
        if self._closed:
            raise StoreClosed
