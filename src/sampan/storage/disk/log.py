"""The log in SQLite: opening it, and the one connection that reads and writes it. Every call blocks.

Beside `store.db` lie its write-ahead log (`-wal`, `-shm`: SQLite's), `store.db.lock` (whose it is) and
`store.db.acknowledged` (how far it got). Nothing is repaired silently: what does not check out is refused and left as
it is.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing

from sampan.storage.disk import backup
from sampan.storage.disk.acknowledged import Acknowledged
from sampan.storage.disk.faults import CORRUPT, FAILED, Fault, damaged, fault_of
from sampan.storage.disk.files import new_file, remove
from sampan.storage.disk.lockfile import Lock
from sampan.storage.disk.schema import (
    APPEND,
    PARAMETERS,
    SELECT_REVISIONS,
    SET_META,
    Entry,
    Row,
    cells_of,
    connect,
    create_tables,
    is_sound,
    meta_cells,
)
from sampan.storage.disk.verify import read_meta, read_rows

WAL_BYTES = 16 * 2**20  # laid out in advance: appending to a file that grows costs the file system a second sync

_FRAME_OVERHEAD = (
    2500  # what a row costs in the write-ahead log beside itself: the rest of its page, the frame's header
)
_LITTLE = 256 * 1024  # bytes of log that are not worth a look at how much space is left
_ONE_STATEMENT = 64
_ENTRIES_AT_A_TIME = 1000


class SqliteLog:
    def __init__(self, path: str, *, owner: int, checkpoint_bytes: int = WAL_BYTES // 3) -> None:
        """Take the lock of the store at `path`, or of where it is going to be, for the process `owner`."""
        self._path = path
        self._checkpoint_bytes = checkpoint_bytes
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        self._lock = Lock.take(path + ".lock", of=path, owner=owner)
        self._acknowledged: Acknowledged | None = None
        self._connection: sqlite3.Connection | None = None
        self._laid_out = False
        self._written = 0  # bytes since the last checkpoint, about
        self._checkpoint: threading.Thread | None = None

    def open(self) -> Iterator[tuple[int, list[Entry]]]:
        """Check all there is and yield it: the compaction revision with entries in order, some at a time.

        Only when this has come to its end is the store open and what was yielded sound.
        """
        self._acknowledged = acknowledged = Acknowledged.open(self._path + ".acknowledged")
        if not os.path.exists(self._path) or os.path.getsize(self._path) == 0:
            _make(self._path, acknowledged.revision)
        # Checked through a connection that cannot write: even closing another one would move the write-ahead log of a
        # damaged store into its database.
        with closing(connect(self._path, mode="ro")) as reader:
            meta = read_meta(reader, self._path)
            entries: list[Entry] = []
            last = meta[0]
            for row in read_rows(reader, self._path, meta, acknowledged=acknowledged.revision):
                revision, key, value, create_revision, expires_at, deleted = row
                entries.append((revision, key, len(value), create_revision, expires_at, deleted))
                last = revision
                if len(entries) == _ENTRIES_AT_A_TIME:
                    yield meta[0], entries
                    entries = []
            yield meta[0], entries
            self._connection = self._connect()
        acknowledged.advance(last)

    def append(self, rows: list[Row]) -> None:
        """Make the rows durable, all or none."""
        cells = [cells_of(row) for row in rows]
        if len(cells) <= _ONE_STATEMENT:
            statement = APPEND + f", {PARAMETERS}" * (len(cells) - 1)
            self._transact(lambda db: db.execute(statement, [cell for row in cells for cell in row]), explicit=False)
        else:
            self._transact(lambda db: db.executemany(APPEND, cells))
        assert self._acknowledged is not None
        self._acknowledged.advance(rows[-1][0])
        self._written += sum(len(row[2]) + _FRAME_OVERHEAD for row in rows)

    def read(self, revisions: list[int]) -> dict[int, bytes]:
        """The values of these revisions; those that were compacted are left out."""
        values = {}
        try:
            for cells in self._db.execute(SELECT_REVISIONS, (str(revisions),)):  # a list of numbers is JSON as it is
                if not is_sound(cells):
                    raise damaged(self._path, f"the checksum of revision {cells[0]} is wrong")
                values[cells[0]] = cells[2]
        except sqlite3.Error as error:
            raise fault_of(error, self._path) from error
        return values

    def compact(self, revision: int, doomed: list[int], kept_count: int, kept_sum: int) -> None:
        """Delete the doomed rows and remember the revision, all or nothing."""

        def delete(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM log WHERE revision IN (SELECT value FROM json_each(?))", (str(doomed),))
            db.execute(SET_META, meta_cells(revision, kept_count, kept_sum))

        self._transact(delete)
        self._written += len(doomed) * _FRAME_OVERHEAD

    def snapshot(self, path: str) -> int:
        """Write a consistent copy; the revision it holds. May run beside everything else."""
        try:
            return backup.copy_to(self._path, path)
        except (sqlite3.Error, OSError) as error:
            raise fault_of(error, path) from error

    def tidy(self) -> None:
        """To be called when nobody waits: lays out the write-ahead log, moves it into the database when it has grown.

        Most of that beside the writer, the rest here: the log starts over only when nothing is left in it.
        """
        if self._connection is None:
            return
        if not self._laid_out:
            self._laid_out = True
            _lay_out_wal(self._path)
        if self._checkpoint is None and self._is_short_of_space():
            self._start_log_over()
        elif self._written < self._checkpoint_bytes:
            return
        elif self._checkpoint is None:
            self._checkpoint = threading.Thread(target=self._checkpoint_beside, daemon=True)
            self._checkpoint.start()
        elif not self._checkpoint.is_alive():
            self._checkpoint = None
            self._start_log_over()

    def close(self) -> None:
        """Let go of everything. Safe after a failed `open`."""
        if self._checkpoint is not None:
            self._checkpoint.join()
        if self._connection is not None:
            self._connection.close()  # the last one: moves the write-ahead log into the database
        if self._acknowledged is not None:
            self._acknowledged.close()
        self._lock.release()

    @property
    def _db(self) -> sqlite3.Connection:
        assert self._connection is not None
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        connection = connect(self._path)
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise Fault(
                FAILED, f"{self._path} is on a file system without shared memory maps, which SQLite's log needs"
            )
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("PRAGMA cache_size = -1000")  # kilobytes: it appends, and hardly looks back
        return connection

    def _transact(self, work: Callable[[sqlite3.Connection], object], *, explicit: bool = True) -> None:
        try:
            if explicit:
                self._db.execute("BEGIN IMMEDIATE")
            work(self._db)
            if explicit:
                self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            raise fault_of(error, self._path, committing=True) from error

    def _roll_back(self) -> None:
        if self._db.in_transaction:
            try:
                self._db.execute("ROLLBACK")
            except sqlite3.Error:
                pass  # SQLite has rolled back by itself

    def _is_short_of_space(self) -> bool:
        """Whether the write-ahead log had better move while there is still room for it in the database."""
        return self._written > _LITTLE and self._written > _free_bytes(self._path) // 2

    def _start_log_over(self) -> None:
        self._written = 0
        self._run_checkpoint(self._db)

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
            sys.stderr.write(f"checkpoint of {self._path} failed, will try again: {error}\n")


def _make(path: str, acknowledged: int) -> None:
    """Make an empty database, whole or not at all."""
    if acknowledged:
        raise Fault(
            CORRUPT,
            f"{path} is missing or empty, but revision {acknowledged} has been acknowledged. Restore a snapshot; "
            f"or remove {os.path.basename(path)}.acknowledged to begin with nothing",
        )
    for leftover in ("", "-wal", "-shm"):  # of another database: SQLite would replay it into the new one
        remove(path + leftover)
    with new_file(path) as part, closing(connect(part)) as connection:
        create_tables(connection)
        connection.execute("PRAGMA journal_mode = WAL")


def _free_bytes(path: str) -> int:
    room = os.statvfs(os.path.dirname(path) or ".")
    return room.f_bavail * room.f_frsize


def _lay_out_wal(path: str) -> None:
    """Extend the write-ahead log, which nobody writes to now, with zeros: they end a log as well as its end does."""
    if _free_bytes(path) < 20 * WAL_BYTES:
        return
    handle = os.open(path + "-wal", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        missing = WAL_BYTES - os.fstat(handle).st_size
        if missing > 0:
            os.write(handle, bytes(missing))
            os.fsync(handle)
    finally:
        os.close(handle)
