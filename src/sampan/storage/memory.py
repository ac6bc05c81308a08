"""A store that forgets everything when it is closed: for tests, simulations and throw-away clusters. Durable it is
not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from time import time

from sampan.storage.engine import EmbeddedStore
from sampan.storage.index import CompactionStep, Index
from sampan.storage.log import Row
from sampan.storage.upkeep import UpkeepConfig
from sampan.storage.values import RecentValues
from sampan.storage.worker import InlineWorker


async def open_store(*, upkeep: UpkeepConfig | None = None, clock: Callable[[], float] = time) -> EmbeddedStore:
    worker = InlineWorker()
    return EmbeddedStore(
        log=MemoryLog(),
        index=Index(),
        values=RecentValues(max_bytes=0),  # the log is as quick
        writer=worker,
        reader=worker,
        upkeep=upkeep or UpkeepConfig(),
        clock=clock,
    )


class MemoryLog:
    def __init__(self) -> None:
        self._rows: dict[int, Row] = {}
        self._compact_revision = 0

    def append(self, rows: Sequence[Row]) -> None:
        self._rows.update((row.revision, row) for row in rows)

    def read(self, revisions: Sequence[int]) -> dict[int, bytes]:
        return {revision: row.value for revision in revisions if (row := self._rows.get(revision)) is not None}

    read_for_write = read

    def compact(self, step: CompactionStep) -> None:
        for revision in step.doomed:
            del self._rows[revision]
        self._compact_revision = step.revision

    def snapshot(self, path: Path) -> int:
        """Like SQLite's, in the same format: a cluster that was only tried out can be kept after all."""
        from sampan.storage.backup import write_snapshot

        rows = list(self._rows.values())
        return write_snapshot(path, rows, compact_revision=self._compact_revision)

    def close(self) -> None:
        self._rows.clear()
