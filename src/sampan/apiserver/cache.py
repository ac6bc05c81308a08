"""The watch cache: every stored object in memory, per resource, fed by the store within each commit.

The store hands over an event before the write's `await` returns, so what is read here always includes every write
that was acknowledged: gets, lists and watches are answered from here and are consistent. (Where other servers write to
the same store, `freshness` waits for theirs.) A ring of recent events lets
watches resume, and lets a list be given as of an earlier revision by undoing what came after.
"""

from __future__ import annotations

import asyncio
import logging
from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from sampan.apiserver.objects import VERSION, CachedObject, cached, version_of
from sampan.storage.contract import (
    Compacted,
    EventType,
    KeyValue,
    Store,
    StoreClosed,
    StoreError,
    StoreUnavailable,
    WatchEvent,
)

if TYPE_CHECKING:
    from sampan.apiserver.watcher import Watcher

log = logging.getLogger(__name__)

PREFIX = "/registry/"
# The ring of recent events of one resource: at most so many, or so many bytes but then at least a few.
RING = 8192
_RING_BYTES = 8 * 1024 * 1024
_RING_LEAST = 256
# Older events' encoded frames are let go: whoever is that far behind has them made again.
_FRAMES_KEPT = 256
# Events that are read back when the server starts.
RECALLED = 1000
_LISTS_KEPT = 4
_LARGEST_KEPT = 2 * 1024 * 1024
_AFTER = "\U0010ffff"


class Event:
    """One write of one object. `object` is what is now, or (deleted) the last content under the delete's revision."""

    __slots__ = ("deleted", "frames", "object", "previous", "revision")

    def __init__(self, revision: int, obj: CachedObject, previous: CachedObject | None, *, deleted: bool) -> None:
        self.revision = revision
        self.object = obj
        self.previous = previous
        self.deleted = deleted
        # Encoded frames by (type, view): made for the first watcher that wants one, shared by all others.
        self.frames: dict[object, Any] = {}


class TooOld(Exception):
    """The ring does not reach back that far."""

    def __init__(self, requested: int, oldest: int) -> None:
        super().__init__(f"too old resource version: {requested} ({oldest})")
        self.requested = requested
        self.oldest = oldest


class ResourceCache:
    """All objects of one stored resource. Keys are `namespace/name`, or `name` for cluster-scoped ones."""

    def __init__(self, caches: Caches, qualified: str, *, namespaced: bool) -> None:
        self._caches = caches
        self.qualified = qualified
        self.namespaced = namespaced
        self.prefix = f"{PREFIX}{qualified}/"
        self.objects: dict[str, CachedObject] = {}
        self.keys: list[str] = []
        self.ring: deque[Event] = deque()
        self._ring_bytes = 0
        # Events up to this revision may have been forgotten: a watch can resume from here on.
        self.oldest = 0
        # By what they watch: everything (""), a namespace ("ns/"), one object (its key).
        self.watchers: dict[str, set[Watcher]] = {}
        # Watchers that want one value of the indexed field only (a kubelet its node's Pods).
        self.indexed: dict[str, set[Watcher]] = {}
        self.index: Callable[[CachedObject], str] | None = None
        # Lists as they were last joined, until the next write: many ask for the same.
        self.joined: dict[object, bytes] = {}
        # Whether objects of several versions are kept, each saying which (a custom resource with a conversion webhook).
        self.mixed = False
        # Parts of the server itself that follow this resource.
        self.listeners: list[Callable[[Event], None]] = []

    @property
    def revision(self) -> int:
        """This cache shows everything up to this revision of the store."""
        return self._caches.revision

    def store_key(self, key: str) -> str:
        return self.prefix + key

    def get(self, namespace: str, name: str) -> CachedObject | None:
        return self.objects.get(f"{namespace}/{name}" if self.namespaced else name)

    def count(self, namespace: str = "") -> int:
        if not namespace:
            return len(self.keys)
        start, end = self._bounds(namespace)
        return end - start

    def keep(self, key: object, body: bytes) -> None:
        """A list that was joined of the present state. `key` says all that it depends on beside this resource."""
        if len(body) <= _LARGEST_KEPT:
            if len(self.joined) >= _LISTS_KEPT:
                self.joined.clear()
            self.joined[key] = body

    def page(self, namespace: str, after: str, limit: int) -> tuple[list[CachedObject], int]:
        """The present state from a key on (`limit` 0: to the end), and how many objects come behind the page."""
        start, end = self._bounds(namespace)
        if after:
            start = max(start, bisect_right(self.keys, after))
        if not limit or start + limit >= end:
            return self._objects(start, end), 0
        return self._objects(start, start + limit), end - start - limit

    def unchanged_since(self, revision: int) -> bool:
        """Whether the present state is also that of an earlier revision."""
        return revision >= self.oldest and (not self.ring or self.ring[-1].revision <= revision)

    def all(self, namespace: str = "", after: str = "") -> list[CachedObject]:
        """In key order; `after` a key."""
        start, end = self._bounds(namespace)
        if after:
            start = max(start, bisect_right(self.keys, after))
        return self._objects(start, end)

    def _objects(self, start: int, end: int) -> list[CachedObject]:
        objects = self.objects
        keys = self.keys if start == 0 and end == len(self.keys) else self.keys[start:end]
        return [objects[k] for k in keys]

    def list_at(self, revision: int, namespace: str = "", after: str = "") -> list[CachedObject]:
        """As it was at an earlier revision. Raises `TooOld`."""
        if revision < self.oldest:
            raise TooOld(revision, self.oldest)
        if self.unchanged_since(revision):
            return self.all(namespace, after)
        undone: dict[str, CachedObject | None] = {}
        for event in reversed(self.ring):
            if event.revision <= revision:
                break
            undone[event.object.key] = event.previous
        prefix = f"{namespace}/" if namespace and self.namespaced else ""
        now = {o.key: o for o in self.all(namespace, after) if o.key not in undone}
        now |= {k: o for k, o in undone.items() if o is not None and k.startswith(prefix) and k > after}
        return [now[k] for k in sorted(now)]

    def since(self, revision: int) -> Iterable[Event]:
        """Events after `revision`. Raises `TooOld`."""
        if revision < self.oldest:
            raise TooOld(revision, self.oldest)
        if not self.ring or self.ring[-1].revision <= revision:
            return ()
        recent: list[Event] = []
        for event in reversed(self.ring):
            if event.revision <= revision:
                break
            recent.append(event)
        recent.reverse()
        return recent

    def load(self, kv: KeyValue) -> None:
        """At start: an object that is in the store."""
        obj = self._cached(kv)
        self.objects[obj.key] = obj
        self.keys.append(obj.key)

    def recall(self, event: WatchEvent) -> None:
        """At start: an event from before, for watches that resume and lists that go on."""
        previous = self._cached(event.previous) if event.previous is not None else None
        deleted = event.type is EventType.DELETED
        self._remember(Event(event.revision, self._cached(event.kv), previous, deleted=deleted))

    def replace(self, everything: Sequence[KeyValue], revision: int) -> None:
        """Events were missed: this is what there is at `revision`. Who follows is told what is different; watches have
        ended before, and none can resume from before."""
        now = {kv.key[len(self.prefix) :]: kv for kv in everything}
        for key, obj in list(self.objects.items()):
            if key not in now:
                kv = KeyValue(
                    key=self.prefix + key, value=b"{" + obj.tail, revision=revision, create_revision=obj.revision
                )
                self.apply(WatchEvent(type=EventType.DELETED, kv=kv, previous=None))
        for key, kv in now.items():
            known = self.objects.get(key)
            if known is None or known.revision != kv.revision:
                self.apply(WatchEvent(type=EventType.UPDATED, kv=kv, previous=None))
        self.forget_events()
        self.oldest = revision

    def forget_events(self) -> None:
        self.ring.clear()
        self._ring_bytes = 0

    def apply(self, event: WatchEvent) -> None:
        obj = self._cached(event.kv)
        key = obj.key
        deleted = event.type is EventType.DELETED
        previous = self.objects.get(key)
        if deleted:
            if self.objects.pop(key, None) is not None:
                del self.keys[bisect_left(self.keys, key)]
        else:
            self.objects[key] = obj
            if previous is None:
                insort(self.keys, key)
        if self.joined:
            self.joined.clear()
        entry = Event(obj.revision, obj, previous, deleted=deleted)
        self._remember(entry)
        for listener in self.listeners:
            listener(entry)
        if self.watchers:
            for scope in ("", f"{obj.namespace}/", key):
                for watcher in self.watchers.get(scope, ()):
                    watcher.offer(entry)
        if self.indexed and self.index is not None:
            values = {self.index(obj)} if previous is None else {self.index(obj), self.index(previous)}
            for value in values:
                for watcher in self.indexed.get(value, ()):
                    watcher.offer(entry)

    def _remember(self, entry: Event) -> None:
        ring = self.ring
        ring.append(entry)
        self._ring_bytes += len(entry.object.tail)
        while len(ring) > RING or (self._ring_bytes > _RING_BYTES and len(ring) > _RING_LEAST):
            forgotten = ring.popleft()
            self.oldest = forgotten.revision
            self._ring_bytes -= len(forgotten.object.tail)
        if len(ring) > _FRAMES_KEPT:
            ring[-_FRAMES_KEPT - 1].frames.clear()

    def add_watcher(self, watcher: Watcher) -> None:
        self._bucket_of(watcher).setdefault(self._place_of(watcher), set()).add(watcher)

    def remove_watcher(self, watcher: Watcher) -> None:
        buckets, place = self._bucket_of(watcher), self._place_of(watcher)
        bucket = buckets.get(place)
        if bucket is not None:
            bucket.discard(watcher)
            if not bucket:
                del buckets[place]

    def _bucket_of(self, watcher: Watcher) -> dict[str, set[Watcher]]:
        return self.watchers if watcher.index is None else self.indexed

    @staticmethod
    def _place_of(watcher: Watcher) -> str:
        return watcher.scope if watcher.index is None else watcher.index

    def every_watcher(self) -> Iterator[Watcher]:
        for buckets in (self.watchers, self.indexed):
            for bucket in buckets.values():
                yield from bucket

    def end_watches(self) -> None:
        """What was queued is still read."""
        for watcher in list(self.every_watcher()):
            watcher.end()

    def _bounds(self, namespace: str) -> tuple[int, int]:
        if not namespace or not self.namespaced:
            return 0, len(self.keys)
        prefix = f"{namespace}/"
        return bisect_left(self.keys, prefix), bisect_left(self.keys, prefix + _AFTER)

    def _cached(self, kv: KeyValue) -> CachedObject:
        key = kv.key[len(self.prefix) :]
        namespace, _, name = key.rpartition("/")
        obj = cached(kv, namespace, name, key)
        if self.mixed:
            obj.views = {VERSION: version_of(kv.value)}
        return obj


class Caches:
    """One cache per stored resource, all at the same revision, fed by one subscription."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.revision = 0
        self.lost: StoreError | None = None
        self._caches: dict[str, ResourceCache] = {}
        # Events of resources nobody serves yet (a CustomResourceDefinition makes its cache later) stay in the store.
        self._pending: list[WatchEvent] | None = []
        self._again: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Subscribe, read everything, drop the events that the read already showed."""
        self._subscription = self.store.subscribe(prefix=PREFIX, callback=self._apply, on_lost=self._on_lost)
        everything = await self.store.range(prefix=PREFIX)
        for kv in everything.items:
            cache = self._caches.get(_resource_of(kv.key))
            if cache is not None:
                cache.load(kv)
        self.revision = everything.revision
        oldest = await self._recall(everything.revision)
        for cache in self._caches.values():
            cache.oldest = max(cache.oldest, oldest)
        pending, self._pending = self._pending or [], None
        self._apply([e for e in pending if e.revision > everything.revision])

    async def _recall(self, revision: int) -> int:
        """Fill the rings with what the store still knows of the last writes. Returns from where watches can resume."""
        first = max(2, revision - RECALLED + 1)
        for _ in range(2):
            try:
                await self._replay(first, revision)
            except Compacted as error:
                first = error.compact_revision + 1
                for cache in self._caches.values():
                    cache.forget_events()
            else:
                return first - 1
        return revision

    async def _replay(self, first: int, last: int) -> None:
        if first > last:
            return
        async with self.store.watch(prefix=PREFIX, from_revision=first) as watch:
            while await watch.progress() < last:
                for event in await anext(watch):
                    cache = self._caches.get(_resource_of(event.key))
                    if cache is not None and event.revision <= last:
                        cache.recall(event)

    def cache(self, qualified: str, *, namespaced: bool) -> ResourceCache:
        """The cache of a resource; before `start`."""
        found = self._caches.get(qualified)
        if found is None:
            found = self._caches[qualified] = ResourceCache(self, qualified, namespaced=namespaced)
        return found

    async def add(self, qualified: str, *, namespaced: bool) -> ResourceCache:
        """The cache of a resource that comes after the start (a custom resource)."""
        if qualified in self._caches:
            return self._caches[qualified]
        cache = ResourceCache(self, qualified, namespaced=namespaced)
        missed: list[WatchEvent] = []
        catching = self.store.subscribe(prefix=cache.prefix, callback=missed.extend)
        found = await self.store.range(prefix=cache.prefix)
        for kv in found.items:
            cache.load(kv)
        cache.oldest = found.revision
        catching.close()
        for event in missed:
            if event.revision > found.revision:
                cache.apply(event)
        return self._caches.setdefault(qualified, cache)

    async def keep_versions(self, qualified: str) -> None:
        """From now on the objects of this resource say in which version they were written."""
        cache = self._caches[qualified]
        if cache.mixed:
            return
        cache.mixed = True
        cache.forget_events()  # they do not say it
        cache.oldest = self.revision
        for kv in (await self.store.range(prefix=cache.prefix)).items:
            obj = cache.objects.get(kv.key[len(cache.prefix) :])
            if obj is not None and obj.revision == kv.revision:
                obj.views = {**(obj.views or {}), VERSION: version_of(kv.value)}

    def remove(self, qualified: str) -> None:
        """A custom resource is gone: its watches end."""
        cache = self._caches.pop(qualified, None)
        if cache is not None:
            cache.end_watches()

    def __iter__(self) -> Iterator[ResourceCache]:
        return iter(self._caches.values())

    def _apply(self, events: Sequence[WatchEvent]) -> None:
        if self._pending is not None:
            self._pending.extend(events)
            return
        if not events:
            return
        for event in events:
            cache = self._caches.get(_resource_of(event.key))
            if cache is not None:
                cache.apply(event)
        self.revision = events[-1].revision

    def end_watches(self) -> None:
        for cache in self._caches.values():
            cache.end_watches()

    def _on_lost(self, error: StoreError) -> None:
        """Nothing is heard of writes any more: health says so, and nobody waits for events that do not come."""
        self.lost = error
        self.end_watches()
        if self.store.shared and not isinstance(error, StoreClosed):
            self._again = asyncio.ensure_future(self.start_again())

    async def start_again(self) -> None:
        """The store has gone on without us, and its history of that is gone: read everything anew."""
        self._pending = []
        self._subscription = self.store.subscribe(prefix=PREFIX, callback=self._apply, on_lost=self._on_lost)
        everything = None
        while everything is None:
            try:
                everything = await self.store.range(prefix=PREFIX)
            except StoreUnavailable:
                await asyncio.sleep(1.0)
        found: dict[str, list[KeyValue]] = {}
        for kv in everything.items:
            found.setdefault(_resource_of(kv.key), []).append(kv)
        for cache in self._caches.values():
            cache.replace(found.get(cache.qualified, []), everything.revision)
        self.revision, self.lost = everything.revision, None
        pending, self._pending = self._pending, None
        self._apply([e for e in pending if e.revision > everything.revision])
        log.warning("read everything anew, at revision %d", everything.revision)


def _resource_of(key: str) -> str:
    """`pods` of `/registry/pods/ns/name`; a key of another shape is not ours."""
    parts = key.split("/", 3)
    return parts[2] if len(parts) == 4 else ""
