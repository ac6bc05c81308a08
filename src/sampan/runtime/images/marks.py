"""How a layer's directory says "deleted here" and "nothing below shows".

overlayfs has its own marks: a character device 0:0, and an attribute. Where overlayfs cannot be used (a store that lies
on an overlay itself, as inside of a container) these cannot even be made, so there layers carry portable marks, which
only the merging by copy understands. Both are always recognised; no layer can bring its own (see `unpack.py`).
"""

from __future__ import annotations

import os
import stat

NATIVE_OPAQUE = b"trusted.overlay.opaque"
PORTABLE_OPAQUE = b"user.sampan.opaque"
PORTABLE_WHITEOUT = b"user.sampan.whiteout"


def mark_deleted(parent: int, name: bytes, *, native: bool) -> None:
    """Put a whiteout where nothing is."""
    if native:
        os.mknod(name, stat.S_IFCHR, 0, dir_fd=parent)
        return
    fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0, dir_fd=parent)
    try:
        os.setxattr(fd, PORTABLE_WHITEOUT, b"y")
    finally:
        os.close(fd)


def mark_opaque(directory: int, *, native: bool) -> None:
    os.setxattr(directory, NATIVE_OPAQUE if native else PORTABLE_OPAQUE, b"y")


def is_deleted(parent: int, name: bytes, status: os.stat_result) -> bool:
    """Whether what has this name and status is a whiteout."""
    if stat.S_ISCHR(status.st_mode):
        return status.st_rdev == 0
    if not stat.S_ISREG(status.st_mode) or status.st_size or stat.S_IMODE(status.st_mode):
        return False
    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        return _has(fd, PORTABLE_WHITEOUT)
    finally:
        os.close(fd)


def is_opaque(directory: int) -> bool:
    return _has(directory, NATIVE_OPAQUE) or _has(directory, PORTABLE_OPAQUE)


def _has(fd: int, key: bytes) -> bool:
    try:
        return os.getxattr(fd, key) == b"y"
    except OSError:
        return False
