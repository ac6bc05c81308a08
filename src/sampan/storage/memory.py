"""A store that forgets everything when it is closed: for tests, simulations and throw-away clusters. Durable it is
not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from time import time
from typing import Any

from sampan.storage.contract import StoreError
from sampan.storage.engine import EmbeddedStore
from sampan.storage.index import Index
from sampan.storage.log import Row
from sampan.storage.upkeep import UpkeepConfig
from sampan.storage.values import RecentValues


async def open_store(*, upkeep: UpkeepConfig | None = None, clock: Callable[[], float] = time) -> EmbeddedStore:
    return EmbeddedStore(
        log=MemoryLog(),
        index=Index(),
        values=RecentValues(max_bytes=0),  # the log is as quick
        upkeep=upkeep or UpkeepConfig(),
        clock=clock,
    )


class MemoryLog:
    def __init__(self) -> None:
        self._rows: dict[int, Row] = {}
        self._compact_revision = 0

    def write(self, rows: list[Row], wanted: list[int], done: Callable[[Any, StoreError | None], None]) -> None:
        old = {revision: self._rows[revision][2] for revision in wanted}
        self._rows.update((row[0], row) for row in rows)
        asyncio.get_running_loop().call_soon(done, old, None)

    async def read(self, revisions: list[int]) -> dict[int, bytes]:
        return {revision: row[2] for revision in revisions if (row := self._rows.get(revision)) is not None}

    async def compact(self, revision: int, doomed: list[int], kept_count: int, kept_sum: int) -> None:
        for one in doomed:
            del self._rows[one]
        self._compact_revision = revision

    async def snapshot(self, path: Path) -> int:
        """In SQLite's format: a cluster that was only tried out can be kept after all."""
        from sampan.storage.sqlite import write_snapshot  # only for this does a store in memory need SQLite

        return await asyncio.to_thread(write_snapshot, path, list(self._rows.values()), self._compact_revision)

    async def close(self) -> None:
        self._rows.clear()
