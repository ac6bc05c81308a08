"""List and watch: a local copy of a resource that follows the server, and tells handlers what changed.

The list is read in pages, then watched from its revision; a broken watch resumes from the last revision seen, and only
a revision that the server forgot (410) costs a new list. Handlers are called on the event loop, one event at a time,
and must neither block nor change the objects; usually they only put a key in a work queue.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypedDict, TypeVar

from sampan.api.errors import ApiError, Gone, TooManyRequests
from sampan.client.api import ResourceClient, WatchEvent
from sampan.client.clock import Clock, RealClock
from sampan.client.codec import key_of, resource_version_of, uid_of
from sampan.client.store import IndexFunction, Store
from sampan.client.transport import TransportError
from sampan.client.wait import Backoff

T = TypeVar("T")
log = logging.getLogger(__name__)

INITIAL_EVENTS_END = "k8s.io/initial-events-end"
PAGE_SIZE = 500
WATCH_SECONDS = 300
EVENTS_PER_TURN = 64


def drop_managed_fields(obj: Any) -> Any:
    """The default transform: nothing that reads a cache needs them, and they are a third of a small object."""
    if isinstance(obj, dict):
        obj.get("metadata", {}).pop("managedFields", None)
    else:
        obj.metadata.managedFields = None
    return obj


class _Scope(TypedDict):
    namespace: str
    label_selector: str
    field_selector: str


class Handler(NamedTuple, Generic[T]):
    on_add: Callable[[T], object] | None
    on_update: Callable[[T, T], object] | None
    on_delete: Callable[[T], object] | None


class Informer(Generic[T]):
    def __init__(
        self,
        resource: ResourceClient[T],
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        indexes: dict[str, IndexFunction[T]] | None = None,
        transform: Callable[[T], T] | None = drop_managed_fields,
        watch_list: bool = False,
        page_size: int = PAGE_SIZE,
        clock: Clock | None = None,
    ) -> None:
        """`watch_list` asks for the initial objects as events of the watch (`sendInitialEvents`) instead of a list."""
        self.resource = resource
        self.store: Store[T] = Store(indexes)
        self._scope: _Scope = {
            "namespace": namespace,
            "label_selector": label_selector,
            "field_selector": field_selector,
        }
        self._transform = transform
        # Objects that were transformed in another way are not the same ones.
        self._shares = transform is drop_managed_fields
        if self._shares:
            resource.client.event_cache.join(resource.object_type, self.store)
        self._watch_list = watch_list
        self._page_size = page_size
        self._clock: Clock = clock or RealClock()
        self._handlers: list[Handler[T]] = []
        self._synced = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.revision = ""
        self.last_error: Exception | None = None

    # -- reading -----------------------------------------------------------------------------------------------------

    @property
    def has_synced(self) -> bool:
        """The first list is in the store, and every handler was told of it."""
        return self._synced.is_set()

    async def wait_for_sync(self) -> None:
        await self._synced.wait()

    def add_handler(
        self,
        *,
        on_add: Callable[[T], object] | None = None,
        on_update: Callable[[T, T], object] | None = None,
        on_delete: Callable[[T], object] | None = None,
    ) -> Callable[[], None]:
        """Call the result to take it off again. A late handler is told of everything that is there, at once."""
        handler = Handler(on_add, on_update, on_delete)
        self._handlers = [*self._handlers, handler]
        if on_add is not None:
            for obj in [*self.store]:
                _call(on_add, obj)

        def remove() -> None:
            self._handlers = [h for h in self._handlers if h is not handler]

        return remove

    def add_key_handler(self, on_change: Callable[[str], object]) -> Callable[[], None]:
        """One call with the key, whatever happened: all that a level-triggered controller wants to know."""

        def changed(obj: T) -> None:
            on_change(key_of(obj))

        return self.add_handler(on_add=changed, on_update=lambda _, new: changed(new), on_delete=changed)

    # -- following ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self.run(), name=f"informer {self.resource.info.qualified}")

    async def stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def run(self) -> None:
        """Follows until cancelled. Errors are logged, kept in `last_error` and retried with back-off."""
        backoff = Backoff(0.8, 30.0, jitter=1.0, reset_after=120.0, clock=self._clock)
        while True:
            began = self._clock.monotonic()
            try:
                if not self.revision and not self._watch_list:
                    await self._list()
                await self._watch()
                self.last_error = None
                if self._clock.monotonic() - began >= 1.0:
                    continue  # an ordinary end: the server's time for one watch was over
            except Gone as error:
                log.info("%s: watch from %s: %s; listing again", self._name, self.revision, error)
                self.revision = ""
                self.last_error = error
            except (ApiError, TransportError) as error:
                log.log(
                    logging.INFO if isinstance(self.last_error, type(error)) else logging.WARNING,
                    "%s: %s",
                    self._name,
                    error,
                )
                self.last_error = error
                if isinstance(error, TooManyRequests) and error.retry_after_seconds:
                    await self._clock.sleep(error.retry_after_seconds)
            except Exception as error:
                # An object that cannot be read, a credential plugin that fails: an informer does not die of it.
                log.exception("%s: listing again", self._name)
                self.revision = ""
                self.last_error = error
            await backoff.sleep()

    @property
    def _name(self) -> str:
        return self.resource.info.qualified

    async def _list(self) -> None:
        try:
            found, revision = await self._read_pages(self._page_size)
        except Gone:
            # The pages' revision was compacted while we read: take all in one answer, as it has one revision by itself.
            found, revision = await self._read_pages(0)
        await self._replace(found, revision)

    async def _read_pages(self, limit: int) -> tuple[dict[str, T], str]:
        found: dict[str, T] = {}
        revision = ""
        async for page in self.resource.list_pages(**self._scope, limit=limit):
            revision = revision or page.resource_version
            kin = [s for s in self.resource.client.event_cache.stores(self.resource.object_type) if self._shares and s]
            for obj in page.items:
                key = key_of(obj)
                found[key] = known_to(kin, key, obj) or (self._transform(obj) if self._transform else obj)
        return found, revision

    async def _replace(self, found: dict[str, T], revision: str) -> None:
        """The store becomes `found`; handlers hear the difference."""
        for key in self.store.keys() - found.keys():
            self._remove(key, None)
        for count, (key, obj) in enumerate(found.items(), 1):
            known = self.store.by_key(key)
            if known is None or resource_version_of(known) != resource_version_of(obj):
                self._put(key, obj)
            if count % EVENTS_PER_TURN == 0:
                await asyncio.sleep(0)
        self.revision = revision
        self._synced.set()

    async def _watch(self) -> None:
        initial: dict[str, T] | None = {} if not self.revision else None
        watch = self.resource.watch(
            **self._scope,
            resource_version=self.revision,
            timeout_seconds=int(WATCH_SECONDS * (1 + random.random())),
            send_initial_events=initial is not None,
            shared=self._shares,
        )
        async with watch as events:
            count = 0
            async for event in events:
                if initial is not None:
                    initial = await self._take_initial(event, initial)
                else:
                    self._take(event)
                count += 1
                if count % EVENTS_PER_TURN == 0:
                    await asyncio.sleep(0)

    async def _take_initial(self, event: WatchEvent[T], initial: dict[str, T]) -> dict[str, T] | None:
        """Before the initial events are over; None once they are."""
        if event.type == "BOOKMARK":
            if INITIAL_EVENTS_END not in _annotations(event.object):
                return initial
            await self._replace(initial, resource_version_of(event.object))
            return None
        key = key_of(event.object)
        if event.type == "DELETED":
            initial.pop(key, None)
        else:
            initial[key] = self._transform(event.object) if self._transform is not None else event.object
        return initial

    def _take(self, event: WatchEvent[T]) -> None:
        obj = event.object
        revision = resource_version_of(obj)
        if event.type != "BOOKMARK":
            if self._transform is not None:
                obj = self._transform(obj)
            key = key_of(obj)
            if event.type == "DELETED":
                self._remove(key, obj)
            else:
                self._put(key, obj)
        self.revision = revision

    def _put(self, key: str, obj: T) -> None:
        old = self.store.put(key, obj)
        for handler in self._handlers:
            if old is None:
                if handler.on_add is not None:
                    _call(handler.on_add, obj)
            elif handler.on_update is not None:
                _call(handler.on_update, old, obj)

    def _remove(self, key: str, last: T | None) -> None:
        """`last` is the object's last state; after a relist only the one that was known is there."""
        old = self.store.remove(key)
        if old is None:
            return
        for handler in self._handlers:
            if handler.on_delete is not None:
                _call(handler.on_delete, old if last is None else last)


def known_to(stores: list[Store[T]], key: str, obj: T) -> T | None:
    """The very same state of the object in another store of this process: memory for one of them is enough."""
    for store in stores:
        known = store.by_key(key)
        if (
            known is not None
            and resource_version_of(known) == resource_version_of(obj)
            and uid_of(known) == uid_of(obj)
        ):
            return known
    return None


def _call(handler: Callable[..., object], *objects: object) -> None:
    try:
        handler(*objects)
    except Exception:
        log.exception("an event handler failed")


def _annotations(obj: Any) -> dict[str, str]:
    if isinstance(obj, dict):
        return (obj.get("metadata") or {}).get("annotations") or {}
    return obj.metadata.annotations or {}
