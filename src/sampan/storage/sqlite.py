"""The embedded store: one SQLite file that survives `kill -9` and power loss. What is on disk is told in `disk/`.

The file belongs to a process of its own (see there); here is what a server does with it: open, snapshot, restore.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from time import time
from typing import Any

from sampan.storage.disk import backup, faults
from sampan.storage.disk.faults import Fault
from sampan.storage.engine import EmbeddedStore
from sampan.storage.index import Index, Version
from sampan.storage.log import Row
from sampan.storage.process import StoreProcess, store_error
from sampan.storage.upkeep import UpkeepConfig
from sampan.storage.values import RecentValues

REVISION_BUMP = 1_000_000_000
"""By how much a restore raises the revision: more than can have been written since the snapshot. Clients that saw the
lost time hold revisions that are then compacted, list again and see the restored state; no revision ever means two
things."""

_RECENT_BYTES = 16 * 2**20


async def open_store(
    *,
    path: Path,
    upkeep: UpkeepConfig | None = None,
    recent_bytes: int = _RECENT_BYTES,
    clock: Callable[[], float] = time,
    disk_options: dict[str, int] | None = None,
) -> EmbeddedStore:
    """Open the store at `path`, or make it there. Raises `StoreInUse`, `StoreCorrupt`, `StoreFull`."""
    process = await StoreProcess.start(path, options=disk_options)
    try:
        index = await _load(process)
    except BaseException:
        await process.close()
        raise
    return EmbeddedStore(
        log=process,
        index=index,
        values=RecentValues(max_bytes=recent_bytes),
        upkeep=upkeep or UpkeepConfig(),
        clock=clock,
    )


def restore(*, snapshot: Path, path: Path, revision_bump: int = REVISION_BUMP) -> int:
    """Make a store at `path`, where there is none, from a snapshot; the revision it starts at. Blocks."""
    try:
        return backup.restore(snapshot=str(snapshot.absolute()), path=str(path.absolute()), revision_bump=revision_bump)
    except (Fault, OSError, sqlite3.Error) as error:
        raise store_error(faults.fault_of(error, str(path)), path) from error


def write_snapshot(path: Path, rows: Sequence[Row], compact_revision: int) -> int:
    """A snapshot of rows at hand. Blocks."""
    try:
        return backup.write_snapshot(str(path.absolute()), rows, compact_revision=compact_revision)
    except (Fault, OSError, sqlite3.Error) as error:
        raise store_error(faults.fault_of(error, str(path)), path) from error


async def _load(process: StoreProcess) -> Index:
    """The index of what the process finds sound."""
    index: Index | None = None

    def take(part: tuple[int, list[Any]]) -> None:
        nonlocal index
        compact_revision, entries = part
        if index is None:
            index = Index(compact_revision=compact_revision)
        index.load(
            Version(key, revision, create_revision, bool(deleted), expires_at, size)
            for revision, key, size, create_revision, expires_at, deleted in entries
        )

    await process.open(take)
    assert index is not None
    index.loaded()
    return index
