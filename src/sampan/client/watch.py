"""A watch's body, cut into events and decoded. Pure: it is fed chunks and gives events."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import msgspec

from sampan.api.errors import ApiError
from sampan.client.codec import Codec, PartialObjectMetadata, RawEvent, WatchEvent
from sampan.client.store import Store

T = TypeVar("T")

_RAW = msgspec.json.Decoder(RawEvent)
_BOOKMARK = msgspec.json.Decoder(WatchEvent[PartialObjectMetadata])


class EventCache:
    """What the watchers and informers of one process share, so that an object is decoded and kept once for all of them.

    Events are shared where watchers get the very same `bytes` object for one (a framed stream); informers take objects
    that another one's store has in the same revision. What comes out is shared: as with every object from an informer,
    nobody may change it.
    """

    def __init__(self, size: int = 256) -> None:
        self._size = size
        self._events: dict[tuple[int, type[Any]], tuple[bytes, WatchEvent[Any]]] = {}
        self._stores: dict[type[Any], weakref.WeakSet[Store[Any]]] = {}
        self._lock = threading.Lock()

    def decode(self, line: bytes, codec: Codec[T]) -> WatchEvent[T]:
        key = (id(line), codec.type)
        known = self._events.get(key)
        if known is not None and known[0] is line:
            return known[1]
        event = decode_event(line, codec)
        with self._lock:
            if len(self._events) >= self._size:
                self._events.pop(next(iter(self._events)))
            self._events[key] = (line, event)  # holding `line` keeps its id from being used again
        return event

    def join(self, object_type: type[T], store: Store[T]) -> None:
        """From now on other informers may find this store's objects."""
        with self._lock:
            self._stores.setdefault(object_type, weakref.WeakSet()).add(store)

    def stores(self, object_type: type[T]) -> list[Store[T]]:
        with self._lock:
            return [*self._stores.get(object_type, ())]


PROCESS_CACHE = EventCache()


class WatchDecoder(Generic[T]):
    def __init__(self, codec: Codec[T], *, framed: bool = False, cache: EventCache | None = None) -> None:
        self._codec = codec
        self._framed = framed
        self._cache = cache if framed else None
        self._rest = b""

    def feed(self, chunk: bytes) -> Iterator[WatchEvent[T]]:
        """The events that are complete with this chunk; raises the `ApiError` of an ERROR event where it stands."""
        if self._framed:
            yield self._cache.decode(chunk, self._codec) if self._cache else decode_event(chunk, self._codec)
            return
        *lines, self._rest = (self._rest + chunk).split(b"\n") if self._rest else chunk.split(b"\n")
        for line in lines:
            if line and not line.isspace():
                yield decode_event(line, self._codec)


def decode_event(line: bytes, codec: Codec[T]) -> WatchEvent[T]:
    # The type comes first on the wire of every server there is; the slow path below does not rely on it.
    if line.startswith(b'{"type":"ERROR"'):
        raise _error(_RAW.decode(line))
    if line.startswith(b'{"type":"BOOKMARK"'):
        return bookmark(line, codec)
    try:
        event = codec.decode_event(line)
    except msgspec.ValidationError:
        raw = _RAW.decode(line)
        if raw.type == "ERROR":
            raise _error(raw) from None
        if raw.type == "BOOKMARK":
            return bookmark(line, codec)
        return WatchEvent(raw.type, codec.decode(raw.object))
    if event.type == "ERROR":
        raise _error(_RAW.decode(line))
    return event


def bookmark(line: bytes, codec: Codec[T]) -> WatchEvent[T]:
    """A bookmark's object is an empty one with a revision: Go writes its required lists as null."""
    event = _BOOKMARK.decode(line)
    return WatchEvent(event.type, codec.decode(msgspec.json.encode(event.object)))


def _error(event: RawEvent) -> ApiError:
    status = msgspec.json.decode(event.object)
    return ApiError.from_status(status if isinstance(status, dict) else {})
