"""The embedded store: one SQLite file, survives `kill -9` and power loss. Opening it is told here, top to bottom.

Beside `store.db` lie its write-ahead log (`-wal`, `-shm`: SQLite's), `store.db.lock` (who has it open) and
`store.db.acknowledged` (how far it got). Nothing is repaired silently: what does not check out is refused and left as
it is.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from time import time

from sampan.storage.acknowledged import Acknowledged
from sampan.storage.backup import restore
from sampan.storage.contract import StoreCorrupt, StoreError
from sampan.storage.engine import EmbeddedStore
from sampan.storage.files import beside, new_file, store_error_of_system
from sampan.storage.index import Index
from sampan.storage.lockfile import Lock
from sampan.storage.schema import as_store_error, connect, create_tables
from sampan.storage.sqlite_log import SqliteLog, lay_out_wal
from sampan.storage.upkeep import UpkeepConfig
from sampan.storage.values import RecentValues
from sampan.storage.verify import load
from sampan.storage.worker import ThreadWorker

__all__ = ["open_store", "restore"]

_RECENT_BYTES = 16 * 2**20


async def open_store(
    *,
    path: Path,
    upkeep: UpkeepConfig | None = None,
    recent_bytes: int = _RECENT_BYTES,
    clock: Callable[[], float] = time,
) -> EmbeddedStore:
    """Open the store at `path`, or make it there. Raises `StoreInUse`, `StoreCorrupt`, `StoreFull`."""
    opened = await asyncio.to_thread(_open, path, recent_bytes)
    return EmbeddedStore(
        log=opened.log,
        index=opened.index,
        values=opened.values,
        writer=ThreadWorker("sampan-store-writer"),
        reader=ThreadWorker("sampan-store-reader"),
        upkeep=upkeep or UpkeepConfig(),
        clock=clock,
    )


@dataclass(slots=True, frozen=True)
class _Opened:
    log: SqliteLog
    index: Index
    values: RecentValues


def _open(path: Path, recent_bytes: int) -> _Opened:
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = Lock.take(beside(path, ".lock"), of=path)
    acknowledged = None
    try:
        acknowledged = Acknowledged.open(beside(path, ".acknowledged"))
        if not path.exists() or path.stat().st_size == 0:
            _make(path, acknowledged.revision)
        values = RecentValues(max_bytes=recent_bytes)
        writer, index = _check_and_connect(path, values, acknowledged.revision)
        acknowledged.advance(index.revision)
        return _Opened(SqliteLog(path, writer, acknowledged, lock), index, values)
    except BaseException as error:
        if acknowledged is not None:
            acknowledged.close()
        lock.release()
        if isinstance(error, sqlite3.Error):
            raise as_store_error(error, path) from error
        if isinstance(error, OSError):
            raise store_error_of_system(error, path) from error
        raise


def _make(path: Path, acknowledged: int) -> None:
    """Make an empty database, whole or not at all."""
    if acknowledged:
        raise StoreCorrupt(
            f"{path} is missing or empty, but revision {acknowledged} has been acknowledged. Restore a snapshot; "
            f"or remove {beside(path, '.acknowledged').name} to begin with nothing"
        )
    path.unlink(missing_ok=True)
    for leftover in ("-wal", "-shm"):  # of another database: SQLite would replay it into the new one
        beside(path, leftover).unlink(missing_ok=True)
    with new_file(path) as part, closing(connect(part)) as connection:
        create_tables(connection)
        connection.execute("PRAGMA journal_mode = WAL")


def _check_and_connect(path: Path, values: RecentValues, acknowledged: int) -> tuple[sqlite3.Connection, Index]:
    # Checked through a connection that cannot write: even closing another one would move the write-ahead log of a
    # damaged store into its database.
    with closing(connect(path, mode="ro")) as reader:
        index = load(reader, path, values, acknowledged=acknowledged)
        lay_out_wal(path)
        writer = connect(path)
        (mode,) = writer.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise StoreError(
                f"{path} is on a file system without shared memory maps: SQLite's {mode} mode is not enough"
            )
    return writer, index
