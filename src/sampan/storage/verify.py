"""Reading a whole database once, trusting nothing: what opening a store and restoring a snapshot begin with.

SQLite notices a broken structure, not a wrong byte in a row, a row that is gone, or a write-ahead log that ends too
early. So every row's checksum is checked, the count and sum of the rows below the compaction revision, that revisions
above it have no holes, and that the last one is not below what was acknowledged.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from sampan.storage.contract import StoreCorrupt
from sampan.storage.index import FIRST_REVISION, Index, Version
from sampan.storage.log import Row
from sampan.storage.schema import APPLICATION_ID, FORMAT, SELECT, TABLES, as_store_error, meta_cells, row_from
from sampan.storage.values import RecentValues


def load(connection: sqlite3.Connection, path: Path, values: RecentValues, *, acknowledged: int = 0) -> Index:
    """The index of a database that is sound. Raises `StoreCorrupt` for one that is not."""
    try:
        _check_identity(connection, path)
        _check_structure(connection, path)
        compact_revision, kept_count, kept_sum = _read_meta(connection, path)
        index = Index(compact_revision=compact_revision)
        kept = _Kept()
        index.load(_versions(connection, path, index.base, kept, values))
    except sqlite3.Error as error:
        raise as_store_error(error, path) from error
    if (kept.count, kept.sum) != (kept_count, kept_sum):
        raise _damaged(path, f"{kept_count} rows should precede revision {index.base}, not these {kept.count}")
    if index.revision < acknowledged:
        raise _damaged(path, f"it ends at revision {index.revision}, but {acknowledged} has been acknowledged")
    return index


class _Kept:
    count = 0
    sum = 0


def _check_identity(connection: sqlite3.Connection, path: Path) -> None:
    tables = dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall())
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise StoreCorrupt(f"{path} is not a Sampan store, or its header is damaged")
    if version != FORMAT:
        raise StoreCorrupt(f"{path} has format {version}; this version of Sampan reads format {FORMAT}")
    if tables != TABLES:
        raise _damaged(path, "its tables are not as they were made")


def _check_structure(connection: sqlite3.Connection, path: Path) -> None:
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise _damaged(path, verdict)


def _read_meta(connection: sqlite3.Connection, path: Path) -> tuple[int, int, int]:
    rows = connection.execute("SELECT compact_revision, kept_count, kept_sum, crc FROM meta WHERE id = 1").fetchall()
    if len(rows) != 1 or meta_cells(*rows[0][:3]) != rows[0]:
        raise _damaged(path, "what it says of its compaction is wrong")
    compact_revision, kept_count, kept_sum, _ = rows[0]
    return compact_revision, kept_count, kept_sum


def _versions(
    connection: sqlite3.Connection, path: Path, base: int, kept: _Kept, values: RecentValues
) -> Iterator[Version]:
    expected = max(base, FIRST_REVISION) + 1
    for cells in connection.execute(f"{SELECT} ORDER BY revision"):
        row = row_from(cells)
        if row is None:
            raise _damaged(path, f"the checksum of revision {cells[0]} is wrong")
        if row.revision <= base:
            kept.count += 1
            kept.sum += row.revision
        elif row.revision != expected:
            raise _damaged(path, f"revision {expected} is missing")
        else:
            expected += 1
        if not row.deleted:
            values.put(row.revision, row.value)
        yield _version(row)


def _version(row: Row) -> Version:
    size = len(row.value)
    return Version(row.key, row.revision, row.create_revision, row.deleted, expires_at=row.expires_at, size=size)


def _damaged(path: Path, what: str) -> StoreCorrupt:
    return StoreCorrupt(f"{path} is damaged: {what}. Nothing was changed; restore a snapshot")
