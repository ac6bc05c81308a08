"""What can go wrong at the disk, in a form that crosses the wire."""

from __future__ import annotations

import errno
import sqlite3

FULL = "full"  # nothing was written
FAILED = "failed"  # nobody knows what was
CORRUPT = "corrupt"
IN_USE = "in-use"
REFUSED = "refused"  # a request that makes no sense here


class Fault(Exception):
    """`detail` is the process that holds the store, for `IN_USE`."""

    def __init__(self, kind: str, message: str, detail: int | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.detail = detail


def damaged(path: str, what: str) -> Fault:
    return Fault(CORRUPT, f"{path} is damaged: {what}. Nothing was changed; restore a snapshot")


def fault_of(error: Exception, path: str, *, committing: bool = False) -> Fault:
    if isinstance(error, Fault):
        return error
    if isinstance(error, sqlite3.Error):
        return _of_sqlite(error, path, committing)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Fault(FULL, f"no space left for {path}")
    if isinstance(error, FileExistsError):
        return Fault(REFUSED, f"{error.filename or path} exists and is not overwritten")
    return Fault(FAILED, f"{path}: {error!r}")


def _of_sqlite(error: sqlite3.Error, path: str, committing: bool) -> Fault:
    extended = getattr(error, "sqlite_errorcode", 0)
    code = extended & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return Fault(FULL, f"no space left for {path}: nothing was written")
    # SQLite's index of its write-ahead log has no room either. In a commit this comes after the data has gone to disk:
    # then nobody can say that nothing was written.
    if extended == sqlite3.SQLITE_IOERR_SHMSIZE and not committing:
        return Fault(FULL, f"no space left for {path}")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or "decode to UTF-8" in str(error):
        return damaged(path, str(error))
    return Fault(FAILED, f"{path}: {error} ({getattr(error, 'sqlite_errorname', 'unknown error')})")
