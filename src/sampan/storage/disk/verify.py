"""Reading a whole database once, trusting nothing: what opening a store and restoring a snapshot begin with.

SQLite notices a broken structure, not a wrong byte in a row, a row that is gone, or a write-ahead log that ends too
early. So every row's checksum is checked, the count and sum of the rows below the compaction revision, that revisions
above it have no holes, and that the last one is not below what was acknowledged.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from sampan.storage.disk.faults import CORRUPT, Fault, damaged, fault_of
from sampan.storage.disk.schema import APPLICATION_ID, FORMAT, SELECT, TABLES, Row, is_sound, meta_cells

FIRST_REVISION = 1  # of an empty store


def read_meta(connection: sqlite3.Connection, path: str) -> tuple[int, int, int]:
    """The compaction revision, and count and sum of the rows up to there, of a database that is one of ours."""
    try:
        _check_identity(connection, path)
        rows = connection.execute(
            "SELECT compact_revision, kept_count, kept_sum, crc FROM meta WHERE id = 1"
        ).fetchall()
    except sqlite3.Error as error:
        raise fault_of(error, path) from error
    if len(rows) != 1 or meta_cells(*rows[0][:3]) != rows[0]:
        raise damaged(path, "what it says of its compaction is wrong")
    compact_revision, kept_count, kept_sum, _ = rows[0]
    return compact_revision, kept_count, kept_sum


def read_rows(
    connection: sqlite3.Connection, path: str, meta: tuple[int, int, int], *, acknowledged: int = 0
) -> Iterator[Row]:
    """Every row, in order. Sound is what it has yielded only when it has come to its end."""
    compact_revision, kept_count, kept_sum = meta
    base = max(compact_revision, FIRST_REVISION)
    expected = base + 1
    count = total = 0
    try:
        for cells in connection.execute(SELECT + " ORDER BY revision"):
            if not is_sound(cells):
                raise damaged(path, f"the checksum of revision {cells[0]} is wrong")
            revision = cells[0]
            if revision <= base:
                count += 1
                total += revision
            elif revision != expected:
                raise damaged(path, f"revision {expected} is missing")
            else:
                expected += 1
            yield cells[:6]
        # Only now: it goes through the pages backwards, which takes ten times as long where they have to come from the
        # disk.
        _check_structure(connection, path)
    except sqlite3.Error as error:
        raise fault_of(error, path) from error
    if (count, total) != (kept_count, kept_sum):
        raise damaged(path, f"{kept_count} rows should precede revision {base}, not these {count}")
    if expected - 1 < acknowledged:
        raise damaged(path, f"it ends at revision {expected - 1}, but {acknowledged} has been acknowledged")


def _check_identity(connection: sqlite3.Connection, path: str) -> None:
    tables = dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall())
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise Fault(CORRUPT, f"{path} is not a Sampan store, or its header is damaged")
    if version != FORMAT:
        raise Fault(CORRUPT, f"{path} has format {version}; this version of Sampan reads format {FORMAT}")
    if tables != TABLES:
        raise damaged(path, "its tables are not as they were made")


def _check_structure(connection: sqlite3.Connection, path: str) -> None:
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise damaged(path, verdict)
