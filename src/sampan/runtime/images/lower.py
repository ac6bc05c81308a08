"""What the layers below say about a path: an archive may name a file without naming the directories above it, and may
hard link to a file of an older layer. Both need the older layers, seen as overlayfs would merge them."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence

from sampan.runtime.images.confine import split
from sampan.runtime.images.marks import is_deleted, is_opaque

_NOT_COPIED = (b"trusted.", b"security.selinux", b"user.sampan.")
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Lowers:
    """The layers below, nearest first, by their directories' descriptors. Links are not followed: overlayfs does not
    follow them between layers either."""

    def __init__(self, fds: Sequence[int]) -> None:
        self._fds = fds

    def directory_status(self, path: bytes) -> tuple[os.stat_result, dict[bytes, bytes]] | None:
        """The status and extended attributes of a directory; None if the layers below have none of that name."""
        for root in self._fds:
            found, hides = _descend(root, path)
            if found is not None:
                try:
                    status = os.fstat(found)
                    return status, _xattrs(found)
                finally:
                    os.close(found)
            if hides:
                return None
        return None

    def open_file(self, path: bytes) -> int | None:
        """A regular file to read; None if there is none."""
        above, name = split(path)
        for root in self._fds:
            parent, hides = _descend(root, above)
            if parent is not None:
                try:
                    status = os.stat(name, dir_fd=parent, follow_symlinks=False)
                    if not stat.S_ISREG(status.st_mode) or is_deleted(parent, name, status):
                        return None
                    return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
                except FileNotFoundError:
                    hides = is_opaque(parent)
                finally:
                    os.close(parent)
            if hides:
                return None
        return None


def _descend(root: int, path: bytes) -> tuple[int | None, bool]:
    """The directory's descriptor, if this layer has it; and whether this layer hides what is below it."""
    fd = os.dup(root)
    hides = False
    for name in path.split(b"/") if path else ():
        hides = hides or is_opaque(fd)
        try:
            step = os.open(name, _OPEN, dir_fd=fd)
        except FileNotFoundError:
            os.close(fd)
            return None, hides
        except OSError:  # a whiteout, a link, a file: not a directory here, and nothing below shows through
            os.close(fd)
            return None, True
        os.close(fd)
        fd = step
    return fd, hides


def _xattrs(fd: int) -> dict[bytes, bytes]:
    try:
        names = [os.fsencode(name) for name in os.listxattr(fd)]
    except OSError:
        return {}
    return {
        name: os.getxattr(fd, name)
        for name in names
        if not name.startswith((b"trusted.", b"security.selinux", b"user.sampan."))
    }
