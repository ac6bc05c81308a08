"""What a controller wrote, and its informers have not shown it yet.

A cache that is behind would make a controller do again what it has done. Whoever creates objects with made-up names
notes them here, and waits while the cache is behind.
"""

from __future__ import annotations

from typing import Any

from sampan.client.clock import Clock
from sampan.client.codec import key_of, resource_version_of
from sampan.client.store import Store

PATIENCE = 10.0  # after that the cache is believed: the object may have been deleted again unseen
LOOK_AGAIN = 0.02


class Written:
    """By the reconciled key, the objects written for it: their key and revision, None for deleted ones."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pending: dict[str, dict[str, tuple[int | None, float]]] = {}

    def note(self, key: str, obj: Any) -> None:
        revision = resource_version_of(obj)
        self._set(key, key_of(obj), int(revision) if revision.isdigit() else 0)

    def note_deleted(self, key: str, obj: Any) -> None:
        self._set(key, key_of(obj), None)

    def is_behind(self, key: str, store: Store[Any]) -> bool:
        """Whether `store` has yet to show something that was written for this key."""
        pending = self._pending.get(key)
        if not pending:
            return False
        now = self._clock.monotonic()
        for name, (revision, since) in [*pending.items()]:
            if now - since > PATIENCE or _shows(store, name, revision):
                del pending[name]
        if not pending:
            del self._pending[key]
        return bool(pending)

    def forget(self, key: str) -> None:
        self._pending.pop(key, None)

    def _set(self, key: str, name: str, revision: int | None) -> None:
        self._pending.setdefault(key, {})[name] = (revision, self._clock.monotonic())


def _shows(store: Store[Any], name: str, revision: int | None) -> bool:
    found = store.by_key(name)
    if revision is None:
        return found is None
    seen = resource_version_of(found) if found is not None else ""
    return seen.isdigit() and int(seen) >= revision
