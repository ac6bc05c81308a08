"""The SQLite file: its two tables, how it is told from other files, and the checksum every row carries.

`log` is ordered by revision and only ever appended to; compaction takes rows out. `meta` says up to where, and what
the rows that stayed below that count and sum up to, so that a lost one is noticed. Above it, revisions have no holes.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from zlib import crc32

from sampan.storage.contract import StoreCorrupt, StoreError, StoreFailed, StoreFull
from sampan.storage.log import Row

APPLICATION_ID = 0x53616D70
FORMAT = 1

TABLES = {
    "log": (
        "CREATE TABLE log (revision INTEGER PRIMARY KEY, key TEXT NOT NULL, value BLOB NOT NULL, "
        "create_revision INTEGER NOT NULL, expires_at INTEGER NOT NULL, deleted INTEGER NOT NULL, crc INTEGER NOT NULL)"
    ),
    "meta": (
        "CREATE TABLE meta (id INTEGER PRIMARY KEY, compact_revision INTEGER NOT NULL, kept_count INTEGER NOT NULL, "
        "kept_sum INTEGER NOT NULL, crc INTEGER NOT NULL)"
    ),
}
PARAMETERS = "(?, ?, ?, ?, ?, ?, ?)"
APPEND = "INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?)"
SELECT = "SELECT revision, key, value, create_revision, expires_at, deleted, crc FROM log"
SELECT_REVISIONS = (
    "SELECT revision, key, value, create_revision, expires_at, deleted, crc FROM log "
    "WHERE revision IN (SELECT value FROM json_each(?))"
)
SET_META = (
    "INSERT INTO meta VALUES (1, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
    "compact_revision = excluded.compact_revision, kept_count = excluded.kept_count, kept_sum = excluded.kept_sum, "
    "crc = excluded.crc"
)

Cell = int | str | bytes


def connect(path: Path, *, mode: str = "rw") -> sqlite3.Connection:
    """A connection in autocommit, to be handed from one thread to another."""
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=10)
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    return connection


def create_tables(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA page_size = 4096")  # a Pod and its row fill one: the least to write per commit
    connection.execute("BEGIN IMMEDIATE")
    for statement in TABLES.values():
        connection.execute(statement)
    connection.execute(SET_META, meta_cells(0, 0, 0))
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {FORMAT}")
    connection.execute("COMMIT")


def row_cells(row: Row) -> tuple[Cell, ...]:
    return (*row[:5], int(row.deleted), _crc(row.value, *row[:2], *row[3:5], int(row.deleted)))


def row_from(cells: tuple[Cell, ...]) -> Row | None:
    """The row, unless it is not what was written."""
    revision, key, value, create_revision, expires_at, deleted, crc = cells
    if not isinstance(value, bytes) or _crc(value, revision, key, create_revision, expires_at, deleted) != crc:
        return None
    return Row(revision, key, value, create_revision, expires_at, bool(deleted))  # type: ignore[arg-type]


def meta_cells(compact_revision: int, kept_count: int, kept_sum: int) -> tuple[int, int, int, int]:
    return compact_revision, kept_count, kept_sum, _crc(b"meta", compact_revision, kept_count, kept_sum)


def as_store_error(error: sqlite3.Error, path: Path, *, committing: bool = False) -> StoreError:
    extended = getattr(error, "sqlite_errorcode", 0)
    code = extended & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return StoreFull(f"no space left for {path}: nothing was written")
    # SQLite's index of its write-ahead log has no room either. In a commit this comes after the data has gone to disk:
    # then nobody can say that nothing was written.
    if extended == sqlite3.SQLITE_IOERR_SHMSIZE and not committing:
        return StoreFull(f"no space left for {path}")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or "decode to UTF-8" in str(error):
        return StoreCorrupt(f"{path} is damaged: {error}")
    return StoreFailed(f"{path}: {error} ({getattr(error, 'sqlite_errorname', 'unknown error')})")


def _crc(value: bytes, *cells: Cell) -> int:
    return crc32(repr(cells).encode(), crc32(value))
