"""A watch: what etcd still has of the past, read when somebody asks for it, then what the feed brings.

As in the embedded store it joins the hub first: live events wait behind the past.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from types import TracebackType
from typing import Any, Protocol, Self

from sampan.storage.contract import StoreError, Watch, WatchEvent
from sampan.storage.hub import Hub
from sampan.storage.index import Version
from sampan.storage.watch import QueueWatch


class Past(Protocol):
    """What a watch needs of its store."""

    @property
    def hub(self) -> Hub:
        """Who hears of what."""

    @property
    def revision(self) -> int:
        """The newest revision that has been dispatched."""

    async def check_watchable(self, revision: int) -> None:
        """Raises `Compacted` when not everything from this revision on is there."""

    async def past(self, *, prefix: str, first: int, last: int) -> list[WatchEvent]:
        """The events of these revisions. Raises `Compacted`."""


class Live:
    """The source of a watch or subscription that never looks back."""

    def __init__(self, store: Past) -> None:
        self._store = store
        self.hub = store.hub

    @property
    def revision(self) -> int:
        return self._store.revision

    def history(self, *, from_revision: int, prefix: str) -> list[Version]:
        return []

    async def read_events(self, versions: Sequence[Version]) -> list[WatchEvent]:
        return []


class EtcdWatch(Watch):
    def __init__(self, store: Past, *, prefix: str, from_revision: int, max_queued: int) -> None:
        self._store = store
        self._prefix = prefix
        self._from_revision = from_revision
        self._live = QueueWatch(Live(store), prefix=prefix, from_revision=from_revision, max_queued=max_queued)
        self._unread: Callable[[], Coroutine[Any, Any, list[WatchEvent]]] | None = None
        self._past: list[WatchEvent] = []

    async def __aenter__(self) -> Self:
        first = self._from_revision
        if first:
            await self._store.check_watchable(first)
        last = self._store.revision
        await self._live.__aenter__()  # joins the hub without giving way to anybody: nothing falls between
        if first and first <= last:
            self._unread = lambda: self._store.past(prefix=self._prefix, first=first, last=last)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._unread, self._past = None, []
        await self._live.__aexit__(kind, error, trace)

    async def __anext__(self) -> Sequence[WatchEvent]:
        await self._read_past()
        if self._past:
            events, self._past = self._past, []
            return events
        return await anext(self._live)

    async def progress(self) -> int:
        await self._read_past()
        return self._past[0].revision - 1 if self._past else await self._live.progress()

    async def _read_past(self) -> None:
        if self._unread is None:
            return
        try:
            self._past = await self._unread()
        except StoreError as error:
            self._live.lose(error)
        self._unread = None
