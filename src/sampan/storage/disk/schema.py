"""The SQLite file: its two tables, how it is told from other files, and the checksum every row carries.

`log` is ordered by revision and only ever appended to; compaction takes rows out. `meta` says up to where, and what
the rows that stayed below that count and sum up to, so that a lost one is noticed. Above it, revisions have no holes.
"""

from __future__ import annotations

import sqlite3
from zlib import crc32

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

Row = tuple[int, str, bytes, int, int, int]
"""revision, key, value, create_revision, expires_at, deleted: one write."""

Entry = tuple[int, str, int, int, int, int]
"""A row with the size of its value in place of it."""

Cells = tuple[int, str, bytes, int, int, int, int]
"""A row as it lies in the table: with its checksum."""


def connect(path: str, *, mode: str = "rw") -> sqlite3.Connection:
    """A connection in autocommit, to be handed from one thread to another."""
    quoted = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    uri = f"file:{quoted}?mode={mode}"
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


def cells_of(row: Row) -> Cells:
    return (*row, _row_crc(*row))


def is_sound(cells: Cells) -> bool:
    """Whether this is what was written. Damaged cells may have any type."""
    return isinstance(cells[2], bytes) and _row_crc(*cells[:6]) == cells[6]


def meta_cells(compact_revision: int, kept_count: int, kept_sum: int) -> tuple[int, int, int, int]:
    checksum = crc32(repr((compact_revision, kept_count, kept_sum)).encode())
    return compact_revision, kept_count, kept_sum, checksum


def _row_crc(revision: int, key: str, value: bytes, create_revision: int, expires_at: int, deleted: int) -> int:
    return crc32(repr((revision, key, create_revision, expires_at, deleted)).encode(), crc32(value))
