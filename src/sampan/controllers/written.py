"""What a controller wrote, and its informers have not shown it yet.

A cache that is behind would make a controller do again what it has done. Whoever creates objects with made-up names,
deletes some of many, or counts, notes here what it wrote, and waits while the cache is behind. Kubernetes' controllers
call this expectations.
"""

from __future__ import annotations

from typing import Any

from sampan.client.clock import Clock
from sampan.client.codec import key_of, resource_version_of, uid_of
from sampan.client.informer import Informer

PATIENCE = 300.0  # after that the cache is believed
LOOK_AGAIN = 0.02


class Written:
    """By the reconciled key: the newest revision that was written for it, and what was deleted."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._revisions: dict[str, tuple[int, float]] = {}
        self._deleted: dict[str, dict[str, tuple[str, float]]] = {}

    def note(self, key: str, obj: Any) -> None:
        revision = _number(resource_version_of(obj))
        known, _ = self._revisions.get(key, (0, 0.0))
        if revision > known:
            self._revisions[key] = (revision, self._clock.monotonic())

    def note_deleted(self, key: str, obj: Any) -> None:
        """`obj` is its last state: the cache is behind as long as it shows that one alive."""
        self._deleted.setdefault(key, {})[key_of(obj)] = (uid_of(obj), self._clock.monotonic())

    def is_behind(self, key: str, informer: Informer[Any]) -> bool:
        """Whether `informer` has yet to show something that was written for this key."""
        return self._misses_a_write(key, informer) or self._misses_a_delete(key, informer)

    def forget(self, key: str) -> None:
        self._revisions.pop(key, None)
        self._deleted.pop(key, None)

    def _misses_a_write(self, key: str, informer: Informer[Any]) -> bool:
        revision, since = self._revisions.get(key, (0, 0.0))
        if not revision:
            return False
        if _number(informer.revision) < revision and self._clock.monotonic() - since <= PATIENCE:
            return True
        del self._revisions[key]
        return False

    def _misses_a_delete(self, key: str, informer: Informer[Any]) -> bool:
        pending = self._deleted.get(key)
        if not pending:
            return False
        now = self._clock.monotonic()
        for name, (uid, since) in [*pending.items()]:
            found = informer.store.by_key(name)
            if found is not None and uid_of(found) == uid and not _is_going(found) and now - since <= PATIENCE:
                return True
            del pending[name]
        del self._deleted[key]
        return False


def _number(revision: str) -> int:
    """0 for what is no number: such a server's revisions cannot be compared, its cache is believed."""
    return int(revision) if revision.isdigit() else 0


def _is_going(obj: Any) -> bool:
    metadata = obj.get("metadata") or {} if isinstance(obj, dict) else obj.metadata
    found = metadata.get("deletionTimestamp") if isinstance(metadata, dict) else metadata.deletionTimestamp
    return bool(found)
