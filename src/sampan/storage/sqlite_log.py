"""The log in SQLite: one connection that writes, one that reads, a checkpoint that stays out of the writer's way.

A batch of up to `_ONE_STATEMENT` rows is one INSERT in autocommit. SQLite's module lets go of the interpreter lock
once per statement, and on a busy loop every return from that costs a wait for the lock: begin, insert, insert, …,
commit would pay it each time.
"""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from sampan.storage.acknowledged import Acknowledged
from sampan.storage.backup import copy_to
from sampan.storage.contract import StoreCorrupt, StoreFull
from sampan.storage.files import beside
from sampan.storage.index import CompactionStep
from sampan.storage.lockfile import Lock
from sampan.storage.log import Row
from sampan.storage.schema import (
    APPEND,
    PARAMETERS,
    SELECT_REVISIONS,
    SET_META,
    as_store_error,
    connect,
    meta_cells,
    row_cells,
    row_from,
)

log = logging.getLogger(__name__)

WAL_BYTES = 16 * 2**20  # laid out in advance: appending to a file that grows costs the file system a second sync

_CHECKPOINT_BYTES = WAL_BYTES // 3
_FRAME_OVERHEAD = 2500  # what a row costs in the log beside itself: the rest of its page, the frame's header
_ONE_STATEMENT = 64


def lay_out_wal(path: Path) -> None:
    """Extend the write-ahead log of a database that nobody has open with zeros, which end a log as well as its end
    does."""
    room = os.statvfs(path.parent)
    if room.f_bavail * room.f_frsize < 20 * WAL_BYTES:
        return
    handle = os.open(beside(path, "-wal"), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    with open(handle, "ab") as file:
        missing = WAL_BYTES - file.tell()
        if missing > 0:
            file.write(bytes(missing))
            file.flush()
            os.fsync(file.fileno())


class SqliteLog:
    def __init__(self, path: Path, writer: sqlite3.Connection, acknowledged: Acknowledged, lock: Lock) -> None:
        self._path = path
        self._writer = writer
        self._writer.execute("PRAGMA synchronous = FULL")
        self._writer.execute("PRAGMA wal_autocheckpoint = 0")
        self._reader = connect(path)
        self._reader.execute("PRAGMA wal_autocheckpoint = 0")
        self._acknowledged = acknowledged
        self._lock = lock
        self._written = 0  # bytes since the last checkpoint, about
        self._checkpoint: threading.Thread | None = None

    def append(self, rows: Sequence[Row]) -> None:
        cells = [row_cells(row) for row in rows]
        if len(cells) <= _ONE_STATEMENT:
            statement = APPEND + f", {PARAMETERS}" * (len(cells) - 1)
            self._transact(lambda run: run(statement, [cell for row in cells for cell in row]), explicit=False)
        else:
            self._transact(lambda _: self._writer.executemany(APPEND, cells))
        self._acknowledged.advance(rows[-1].revision)
        self._written += sum(len(row.value) + _FRAME_OVERHEAD for row in rows)
        if self._written > _CHECKPOINT_BYTES:
            self._advance_checkpoint()

    def read(self, revisions: Sequence[int]) -> dict[int, bytes]:
        return self._read(self._reader, revisions)

    def read_for_write(self, revisions: Sequence[int]) -> dict[int, bytes]:
        return self._read(self._writer, revisions)

    def compact(self, step: CompactionStep) -> None:
        doomed = json.dumps(step.doomed)

        def delete(run: Callable[..., object]) -> None:
            run("DELETE FROM log WHERE revision IN (SELECT value FROM json_each(?))", (doomed,))
            run(SET_META, meta_cells(step.revision, step.kept_count, step.kept_sum))

        self._transact(delete)
        self._written += len(step.doomed) * _FRAME_OVERHEAD

    def snapshot(self, path: Path) -> int:
        return copy_to(self._path, path)

    def close(self) -> None:
        if self._checkpoint is not None:
            self._checkpoint.join()
        self._reader.close()
        self._writer.close()  # the last connection: moves the write-ahead log into the database
        self._acknowledged.close()
        self._lock.release()

    def _transact(self, work: Callable[[Callable[..., object]], object], *, explicit: bool = True) -> None:
        try:
            self._attempt(work, explicit)
        except StoreFull:
            # The write-ahead log starts over in the room it has as soon as all of it is in the database.
            self._run_checkpoint(self._writer)
            self._attempt(work, explicit)

    def _attempt(self, work: Callable[[Callable[..., object]], object], explicit: bool) -> None:
        try:
            if explicit:
                self._writer.execute("BEGIN IMMEDIATE")
            work(self._writer.execute)
            if explicit:
                self._writer.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            raise as_store_error(error, self._path, committing=True) from error

    def _roll_back(self) -> None:
        if self._writer.in_transaction:
            try:
                self._writer.execute("ROLLBACK")
            except sqlite3.Error:
                pass  # SQLite has rolled back by itself

    def _read(self, connection: sqlite3.Connection, revisions: Sequence[int]) -> dict[int, bytes]:
        values = {}
        try:
            for cells in connection.execute(SELECT_REVISIONS, (json.dumps(revisions),)):
                row = row_from(cells)
                if row is None:
                    raise StoreCorrupt(f"{self._path} is damaged: the checksum of revision {cells[0]} is wrong")
                values[row.revision] = row.value
        except sqlite3.Error as error:
            raise as_store_error(error, self._path) from error
        return values

    def _advance_checkpoint(self) -> None:
        """Move the write-ahead log into the database, most of it beside the writer; the rest here, so that the log
        starts over."""
        if self._checkpoint is None:
            self._checkpoint = threading.Thread(target=self._checkpoint_beside, name="sampan-checkpoint", daemon=True)
            self._checkpoint.start()
        elif not self._checkpoint.is_alive():
            self._checkpoint = None
            self._written = 0
            self._run_checkpoint(self._writer)

    def _checkpoint_beside(self) -> None:
        connection = connect(self._path)
        try:
            self._run_checkpoint(connection)
        finally:
            connection.close()

    def _run_checkpoint(self, connection: sqlite3.Connection) -> None:
        try:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error as error:
            log.warning("checkpoint of %s failed, will try again: %s", self._path, error)
