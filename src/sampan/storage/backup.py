"""Snapshots, and the way back from one."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from sampan.storage.contract import StoreError
from sampan.storage.files import beside, new_file, store_error_of_system
from sampan.storage.index import FIRST_REVISION
from sampan.storage.lockfile import Lock
from sampan.storage.log import Row
from sampan.storage.schema import (
    APPEND,
    SELECT,
    SET_META,
    as_store_error,
    connect,
    create_tables,
    meta_cells,
    row_cells,
)
from sampan.storage.values import RecentValues
from sampan.storage.verify import load

REVISION_BUMP = 1_000_000_000
"""By how much a restore raises the revision: more than can have been written since the snapshot. Clients that saw the
lost time hold revisions that are then compacted, list again and see the restored state; no revision ever means two
things."""


def copy_to(source: Path, path: Path) -> int:
    """Copy an open database, consistent, while it is written to; the revision of the copy."""
    try:
        with new_file(path) as part:
            with closing(connect(source)) as connection:
                connection.execute("VACUUM INTO ?", (str(part),))
            with closing(connect(part)) as connection:
                return _last_revision(connection)
    except FileExistsError:
        raise
    except sqlite3.Error as error:
        raise as_store_error(error, path) from error
    except OSError as error:
        raise store_error_of_system(error, path) from error


def write_snapshot(path: Path, rows: Sequence[Row], *, compact_revision: int) -> int:
    """The same from rows at hand, in revision order."""
    with new_file(path) as part, closing(connect(part)) as connection:
        create_tables(connection)
        kept = [row.revision for row in rows if row.revision <= compact_revision]
        connection.execute("BEGIN")
        connection.executemany(APPEND, map(row_cells, rows))
        connection.execute(SET_META, meta_cells(compact_revision, len(kept), sum(kept)))
        connection.execute("COMMIT")
        return _last_revision(connection)


def restore(*, snapshot: Path, path: Path, revision_bump: int = REVISION_BUMP) -> int:
    """Make a store at `path`, where there is none, from a snapshot; the revision it starts at. Blocks."""
    lock = Lock.take(beside(path, ".lock"), of=path)
    try:
        if path.exists():
            raise StoreError(f"{path} exists: move it away first")
        with new_file(path) as part:
            revision = _rebuild(snapshot, part, revision_bump)
            for leftover in ("-wal", "-shm", ".acknowledged"):  # of the store that was here
                beside(path, leftover).unlink(missing_ok=True)
        return revision
    finally:
        lock.release()


def _rebuild(snapshot: Path, part: Path, revision_bump: int) -> int:
    """Copy what the snapshot holds at its last revision, and nothing of its history."""
    with closing(connect(snapshot, mode="ro")) as source:
        index = load(source, snapshot, RecentValues(max_bytes=0))
        revision = index.revision + revision_bump
        current = sorted(version.revision for version in index.latest.values() if not version.deleted)
        try:
            with closing(connect(part)) as target:
                create_tables(target)
                target.execute("PRAGMA synchronous = FULL")
                target.execute("BEGIN")
                for kept in current:
                    cells = source.execute(f"{SELECT} WHERE revision = ?", (kept,)).fetchone()
                    target.execute(APPEND, cells)
                target.execute(SET_META, meta_cells(revision, len(current), sum(current)))
                target.execute("COMMIT")
        except sqlite3.Error as error:
            raise as_store_error(error, part) from error
    return revision


def _last_revision(connection: sqlite3.Connection) -> int:
    (last,) = connection.execute("SELECT max(revision) FROM log").fetchone()
    (compacted,) = connection.execute("SELECT compact_revision FROM meta").fetchone()
    return max(int(last or 0), int(compacted), FIRST_REVISION)
