"""Snapshots, and the way back from one."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from contextlib import closing

from sampan.storage.disk.faults import REFUSED, Fault
from sampan.storage.disk.files import new_file, remove
from sampan.storage.disk.lockfile import Lock
from sampan.storage.disk.schema import APPEND, SELECT, SET_META, Row, cells_of, connect, create_tables, meta_cells
from sampan.storage.disk.verify import FIRST_REVISION, read_meta, read_rows


def copy_to(source: str, path: str) -> int:
    """Copy an open database, consistent, while it is written to; the revision of the copy."""
    with new_file(path) as part:
        with closing(connect(source)) as connection:
            connection.execute("VACUUM INTO ?", (part,))
        with closing(connect(part)) as connection:
            return _last_revision(connection)


def write_snapshot(path: str, rows: Iterable[Row], *, compact_revision: int) -> int:
    """The same from rows at hand, in revision order."""
    with new_file(path) as part, closing(connect(part)) as connection:
        create_tables(connection)
        kept = []
        connection.execute("BEGIN")
        for row in rows:
            connection.execute(APPEND, cells_of(row))
            if row[0] <= compact_revision:
                kept.append(row[0])
        connection.execute(SET_META, meta_cells(compact_revision, len(kept), sum(kept)))
        connection.execute("COMMIT")
        return _last_revision(connection)


def restore(*, snapshot: str, path: str, revision_bump: int) -> int:
    """Make a store at `path`, where there is none, from a snapshot; the revision it starts at."""
    lock = Lock.take(path + ".lock", of=path, owner=os.getpid())
    try:
        if os.path.exists(path):
            raise Fault(REFUSED, f"{path} exists: move it away first")
        with new_file(path) as part:
            revision = _rebuild(snapshot, part, revision_bump)
            for leftover in ("-wal", "-shm", ".acknowledged"):  # of the store that was here
                remove(path + leftover)
        return revision
    finally:
        lock.release()


def _rebuild(snapshot: str, part: str, revision_bump: int) -> int:
    """Copy what the snapshot holds at its last revision, and nothing of its history."""
    with closing(connect(snapshot, mode="ro")) as source, closing(connect(part)) as target:
        meta = read_meta(source, snapshot)
        current: dict[str, int] = {}
        for revision, key, _, _, _, deleted in read_rows(source, snapshot, meta):
            current[key] = revision
            if deleted:
                del current[key]
        start = _last_revision(source) + revision_bump
        kept = sorted(current.values())
        create_tables(target)
        target.execute("PRAGMA synchronous = FULL")
        target.execute("BEGIN")
        for revision in kept:
            target.execute(APPEND, source.execute(SELECT + " WHERE revision = ?", (revision,)).fetchone())
        target.execute(SET_META, meta_cells(start, len(kept), sum(kept)))
        target.execute("COMMIT")
        return start


def _last_revision(connection: sqlite3.Connection) -> int:
    (last,) = connection.execute("SELECT max(revision) FROM log").fetchone()
    (compacted,) = connection.execute("SELECT compact_revision FROM meta").fetchone()
    return max(int(last or 0), int(compacted), FIRST_REVISION)
