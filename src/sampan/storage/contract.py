"""What a store promises. The API server is written against this file; implementations run one conformance suite.

The model is etcd v3's: keys in one flat, byte-ordered space (`/registry/pods/ns/name`), values that are opaque bytes,
and one revision for the whole store that every write raises by one. `KeyValue.revision` is the key's mod revision.
An empty store is at revision 1.

Promises every implementation keeps:

* **Durable.** A write returns after it is on disk. One that raises `StoreFull`, `KeyExists`, `KeyNotFound` or
  `RevisionConflict` has changed nothing.
* **Monotonic.** The revision never goes back: not after a delete, a compaction, a crash or a restart. Two writes never
  share one.
* **Ordered.** A watch sees each matching event exactly once, in revision order, or ends with an error. Never a silent
  gap.
* **Read your writes.** Before a write's `await` returns, its event is in the queue of every matching `Watch` and has
  been handed to every matching `subscribe` callback of this store object. What a cache fed by `subscribe` shows after
  a write includes it. So does what it shows after a write that was refused: who tries again sees what it was refused
  for.
* **Shared or not.** Where `shared`, others write as well, and what they wrote is heard a little later; `barrier` waits
  for it. An embedded store's writers are all in one process, and it is always abreast.
* **Loop-bound.** A store belongs to the event loop it was opened on. Its methods are called, and its callbacks run,
  there.

Barred from here: SQL, sockets, Kubernetes words.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec


class KeyValue(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One key as it was at `revision`, the revision of its last write; `create_revision` is that of its creation."""

    key: str
    value: bytes
    revision: int
    create_revision: int


class RangeResult(msgspec.Struct, frozen=True, kw_only=True):
    """One page of keys in order, all as of `revision`.

    To go on: the same prefix, `start_after` the last key, at this `revision`.
    """

    items: list[KeyValue]
    revision: int
    more: bool
    remaining: int


class DeleteResult(msgspec.Struct, frozen=True, kw_only=True):
    """What was deleted, and the revision of the delete itself."""

    previous: KeyValue
    revision: int


class EventType(enum.Enum):
    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"


class WatchEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One write as a watcher sees it.

    `kv` is the key after the write. A deleted key has no value any more, so there `kv` is its last value under the
    delete's revision: what a client is shown. `previous` is the key before the write (None: it was created).
    """

    type: EventType
    kv: KeyValue
    previous: KeyValue | None

    @property
    def key(self) -> str:
        return self.kv.key

    @property
    def revision(self) -> int:
        return self.kv.revision


# Errors, the whole tree:
#
#   StoreError
#   ├── KeyExists           create: the key is there               .current
#   ├── KeyNotFound         update, delete: it is not              .key
#   ├── RevisionConflict    update, delete: it has moved on        .current
#   ├── GuardMoved          somebody else has written under the same guard: decide again
#   ├── Compacted           that history is gone: list again       .requested .compact_revision
#   ├── FutureRevision      that revision is yet to come           .requested .current_revision
#   ├── WatcherTooSlow      cut off: list again, then watch
#   ├── StoreFull           the disk is full; nothing was written, a later try may work
#   ├── StoreFailed         the disk failed under a write: its outcome is unknown, no more writes until reopened
#   ├── StoreCorrupt        the data cannot be trusted, none is served
#   ├── StoreUnavailable    a distant store does not answer: a read may be tried again, a write's outcome is unknown
#   ├── StoreInUse          another process has it open            .pid
#   └── StoreClosed         used after close()


class StoreError(Exception):
    """Base of everything a store raises on purpose."""


class KeyExists(StoreError):
    def __init__(self, *, current: KeyValue) -> None:
        super().__init__(f"key {current.key} exists at revision {current.revision}")
        self.current = current


class KeyNotFound(StoreError):
    def __init__(self, *, key: str) -> None:
        super().__init__(f"key {key} not found")
        self.key = key


class RevisionConflict(StoreError):
    def __init__(self, *, expected: int, current: KeyValue) -> None:
        super().__init__(f"key {current.key} is at revision {current.revision}, not {expected}")
        self.expected = expected
        self.current = current


class GuardMoved(StoreError):
    def __init__(self, *, guard: str) -> None:
        super().__init__(f"another writer of {guard} was faster")


class Compacted(StoreError):
    def __init__(self, *, requested: int, compact_revision: int) -> None:
        super().__init__(f"revision {requested} has been compacted (history starts after {compact_revision})")
        self.requested = requested
        self.compact_revision = compact_revision


class FutureRevision(StoreError):
    def __init__(self, *, requested: int, current_revision: int) -> None:
        super().__init__(f"revision {requested} is yet to come (the store is at {current_revision})")
        self.requested = requested
        self.current_revision = current_revision


class WatcherTooSlow(StoreError):
    def __init__(self, *, prefix: str, queued: int) -> None:
        super().__init__(f"watch on {prefix} fell {queued} events behind and was cut off: list again, then watch")
        self.prefix = prefix


class StoreFull(StoreError):
    """The disk is full. Nothing of the write was kept; the store goes on as soon as there is space."""


class StoreFailed(StoreError):
    """The disk failed in the middle of a write. Reads go on; writes are refused until the store is opened anew."""


class StoreCorrupt(StoreError):
    """The data on disk is damaged."""


class StoreUnavailable(StoreError):
    """No server of a distant store answers. What a write that ends so has done is unknown; later ones may work."""


class StoreInUse(StoreError):
    def __init__(self, *, path: Path, pid: int | None) -> None:
        super().__init__(f"{path} is in use by process {'unknown' if pid is None else pid}")
        self.path = path
        self.pid = pid


class StoreClosed(StoreError):
    def __init__(self) -> None:
        super().__init__("the store is closed")


class Watch(ABC):
    """Events under one prefix, in batches. Iterate it in one task; leaving the `async with` block ends it.

    A batch is shared between watchers: read it, never change it. Iteration raises `WatcherTooSlow`, `Compacted` (the
    history still to be read went away meanwhile) or `StoreClosed`, after which the watch is over.
    """

    @abstractmethod
    async def __aenter__(self) -> Self:
        """Start watching. Raises `Compacted`."""

    @abstractmethod
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop watching."""

    def __aiter__(self) -> Self:
        return self

    @abstractmethod
    async def __anext__(self) -> Sequence[WatchEvent]:
        """The next batch: at least one event."""

    @abstractmethod
    async def progress(self) -> int:
        """A revision R so that iteration has already returned every matching event up to and including R (a bookmark).

        Never waits for the consumer; it is the current revision of the store when nothing is queued.
        """


class Subscription(ABC):
    """A running `subscribe`."""

    @property
    @abstractmethod
    def revision(self) -> int:
        """The callback has been given every matching event up to and including this revision (and after where it
        began)."""

    @abstractmethod
    def close(self) -> None:
        """No call of the callback follows."""


class Store(ABC):
    """Versioned keys. All methods are keyword-only."""

    shared = False
    """Whether other processes write here too."""

    @abstractmethod
    async def get(self, *, key: str) -> KeyValue | None:
        """The key as it is now, or None."""

    @abstractmethod
    async def range(
        self, *, prefix: str, limit: int = 0, start_after: str | None = None, revision: int = 0
    ) -> RangeResult:
        """The keys that start with `prefix`, in byte order, after `start_after`; at most `limit` (0: all).

        At `revision` (0: now). Raises `Compacted` when it is smaller than the compaction revision and `FutureRevision`.
        """

    @abstractmethod
    async def create(
        self, *, key: str, value: bytes, ttl_seconds: float | None = None, guards: Sequence[str] = ()
    ) -> KeyValue:
        """Write a new key. Raises `KeyExists`, with what is there.

        After `ttl_seconds` the key is deleted, as an ordinary delete; not exactly then but soon after.

        A guard is for a decision that rests on more than one key (an address nobody else may have): all who decide
        the like name the same guard, one at a time within a process. Where another process has written under it, and
        this one had not heard of that when it decided, `GuardMoved` is raised; by then it has heard.
        """

    @abstractmethod
    async def update(
        self,
        *,
        key: str,
        value: bytes,
        expected_revision: int,
        ttl_seconds: float | None = None,
        guards: Sequence[str] = (),
    ) -> KeyValue:
        """Replace a key that is still at `expected_revision`. Raises `KeyNotFound`, `RevisionConflict`, `GuardMoved`.

        The life span starts anew; None takes it away. An equal value is a write like any other.
        """

    @abstractmethod
    async def delete(self, *, key: str, expected_revision: int | None = None) -> DeleteResult:
        """Delete a key (that is still at `expected_revision`, if given). Raises `KeyNotFound`, `RevisionConflict`."""

    @abstractmethod
    def watch(self, *, prefix: str, from_revision: int = 0, max_queued: int = 10_000) -> Watch:
        """Watch keys that start with `prefix` (`async with store.watch(...) as watch: async for events in watch:`).

        `from_revision` is the first revision that is wanted: after a range at revision N watch from N + 1. 0 means all
        that is written after entering. One that is yet to come is waited for: nothing before it is delivered. Entering
        raises `Compacted` when `from_revision` is not greater than the compaction revision. A watch with more than
        `max_queued` events waiting is cut off.
        """

    @abstractmethod
    def subscribe(
        self,
        *,
        prefix: str,
        callback: Callable[[Sequence[WatchEvent]], None],
        on_lost: Callable[[StoreError], None] | None = None,
    ) -> Subscription:
        """Call `callback` with each batch of events written from now on: the cheap way, for caches.

        It runs on the loop, within the commit: it must be quick, may not await and may not raise. To fill a cache
        without a gap, subscribe, then range, then drop the events whose revision is not above the range's. `on_lost`
        tells that the subscription is over without `close()`: the cache must start again.
        """

    @abstractmethod
    async def compact(self, *, revision: int) -> None:
        """Forget what was overwritten or deleted at or before `revision`.

        Afterwards `range` below `revision` and `watch` from `revision` or below raise `Compacted`; keys as of
        `revision` stay readable. Compacting to where it already is, or below, does nothing. Raises `FutureRevision`.
        """

    @abstractmethod
    async def current_revision(self) -> int:
        """The revision of the newest write."""

    @abstractmethod
    async def barrier(self) -> int:
        """Returns when every write that anybody's `await` has returned from before this call has been handed on here:
        what a cache fed by `subscribe` shows then is as fresh as the store itself. The revision that was reached.

        Raises `StoreUnavailable` when that cannot be had soon.
        """

    @abstractmethod
    async def life_spans(self) -> dict[str, float]:
        """The seconds that are left to the keys that have a life span."""

    @abstractmethod
    async def snapshot(self, *, path: Path) -> int:
        """Write a consistent backup to a new file while the store runs; the revision it holds. `path` appears only
        when complete."""

    @abstractmethod
    async def close(self) -> None:
        """Finish the writes that were accepted, end all watches, let go of everything. Safe to call twice."""
