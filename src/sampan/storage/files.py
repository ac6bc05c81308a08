"""New files that appear whole or not at all, and are durable when they do."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sampan.storage.contract import StoreError, StoreFailed, StoreFull


def beside(path: Path, suffix: str) -> Path:
    """The file that goes with `path`."""
    return path.with_name(path.name + suffix)


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """An empty file to fill, only its owner's to read. It becomes `path`, which must not exist, when the block ends
    well."""
    if path.exists():
        raise FileExistsError(errno.EEXIST, "exists, and is not overwritten", str(path))
    part = beside(path, f".{os.getpid()}.part")
    part.unlink(missing_ok=True)
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        yield part
        _sync(part)
        part.rename(path)
        _sync(path.parent)
    finally:
        part.unlink(missing_ok=True)


def store_error_of_system(error: OSError, path: Path) -> StoreError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreFull(f"no space left for {path}")
    return StoreFailed(f"{path}: {error}")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
