"""New files that appear whole or not at all, and are durable when they do."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def new_file(path: str) -> Iterator[str]:
    """An empty file to fill, only its owner's to read. It becomes `path`, which must not exist, when the block ends
    well."""
    if os.path.exists(path):
        raise FileExistsError(errno.EEXIST, "exists", path)
    part = f"{path}.{os.getpid()}.part"
    remove(part)
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        yield part
        _sync(part)
        os.rename(part, path)
        _sync(os.path.dirname(path) or ".")
    finally:
        remove(part)


def remove(path: str) -> None:
    """Remove a file that may not be there."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def _sync(path: str) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
