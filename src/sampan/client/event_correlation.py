"""Which events are worth writing, and as what. Pure apart from its memory; bounded by least recently used.

- An event that came before, word for word, raises the count of the one that is there.
- The tenth event of one reason and object within ten minutes that differs only in its message, and those after it,
  become one Event whose message starts with "(combined from similar events): ".
- One component may write 25 events about one object, and then one more every five minutes.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, NamedTuple, TypeVar

from sampan.api.types import core_v1
from sampan.client.clock import Clock, RealClock
from sampan.client.ratelimit import TokenBucket

V = TypeVar("V")
Key = tuple[str | None, ...]  # component, host, then whom the event is about, then more of the event
UID = 5  # where the object's uid is in every key

ENTRIES = 4096
SIMILAR = 10
SIMILAR_SECONDS = 600.0
BURST = 25
REFILL_PER_SECOND = 1.0 / 300.0
COMBINED = "(combined from similar events): "


class Correlated(NamedTuple):
    event: core_v1.Event
    repeated: bool
    key: Key


class _Similar:
    __slots__ = ("at", "messages")

    def __init__(self, at: float) -> None:
        self.at = at
        self.messages: set[str] = set()


class _Seen:
    __slots__ = ("count", "first", "name")

    def __init__(self, event: core_v1.Event) -> None:
        self.count = event.count or 1
        self.first = event.firstTimestamp
        self.name = event.metadata.name


class _Recent(Generic[V]):
    """Forgets what was not used for longest."""

    def __init__(self, most: int) -> None:
        self._entries: OrderedDict[Key, V] = OrderedDict()
        self._most = most

    def get(self, key: Key) -> V | None:
        if key in self._entries:
            self._entries.move_to_end(key)
        return self._entries.get(key)

    def put(self, key: Key, value: V) -> V:
        self._entries[key] = value
        self._entries.move_to_end(key)
        if len(self._entries) > self._most:
            self._entries.popitem(last=False)
        return value

    def forget(self, uid: str) -> None:
        for key in [key for key in self._entries if key[UID] == uid]:
            del self._entries[key]

    @property
    def size(self) -> int:
        return len(self._entries)


class Correlator:
    def __init__(
        self,
        *,
        clock: Clock | None = None,
        burst: int = BURST,
        refill: float = REFILL_PER_SECOND,
        entries: int = ENTRIES,
    ) -> None:
        """`entries` is how many different events (and objects) are remembered."""
        self._clock: Clock = clock or RealClock()
        self._burst, self._refill = burst, refill
        self._buckets: _Recent[TokenBucket] = _Recent(entries)
        self._similar: _Recent[_Similar] = _Recent(entries)
        self._seen: _Recent[_Seen] = _Recent(entries)

    def correlate(self, event: core_v1.Event) -> Correlated | None:
        """None: do not write it."""
        subject = _subject(event)
        combined = self._combine(event, subject)
        key = subject if combined else (*subject, event.involvedObject.fieldPath, event.message)
        if combined:
            event.message = COMBINED + (event.message or "")
        seen = self._seen.get(key)
        if seen is None:
            self._seen.put(key, _Seen(event))
        else:
            seen.count += 1
            event.metadata.name, event.firstTimestamp, event.count = seen.name, seen.first, seen.count
        if not self._allowed(event):
            return None
        return Correlated(event, seen is not None, key)

    def written(self, decided: Correlated, event: core_v1.Event) -> None:
        """The server has it, under the name that it has there."""
        self._seen.put(decided.key, _Seen(event))

    def forget(self, uid: str) -> None:
        """The object is gone: no event of it will come again."""
        for remembered in (self._buckets, self._similar, self._seen):
            remembered.forget(uid)

    @property
    def remembered(self) -> int:
        """How many entries there are."""
        return self._buckets.size + self._similar.size + self._seen.size

    def _combine(self, event: core_v1.Event, subject: Key) -> bool:
        now = self._clock.monotonic()
        similar = self._similar.get(subject)
        if similar is None or now - similar.at > SIMILAR_SECONDS:
            similar = self._similar.put(subject, _Similar(now))
        similar.messages.add(event.message or "")
        similar.at = now
        if len(similar.messages) < SIMILAR:
            return False
        similar.messages.pop()
        return True

    def _allowed(self, event: core_v1.Event) -> bool:
        source, about = event.source, event.involvedObject
        key = (source.component, source.host, about.kind, about.namespace, about.name, about.uid, about.apiVersion)
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets.put(key, TokenBucket(self._refill, self._burst, clock=self._clock))
        return bucket.try_take()


def _subject(event: core_v1.Event) -> Key:
    source, about = event.source, event.involvedObject
    return (
        source.component,
        source.host,
        about.kind,
        about.namespace,
        about.name,
        about.uid,
        about.apiVersion,
        event.type,
        event.reason,
    )
