"""Walking inside one directory and never out of it, whatever names and links it holds.

Every step is one component, opened relative to its parent's descriptor without following links; a symbolic link on the
way is read and walked here, its absolute targets and `..` ending at our root. So no name in a layer, and no link that
the layer itself made before, can make us touch anything else, and no race with another process can either.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Callable

from sampan.runtime.images.marks import is_deleted

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MAX_LINKS = 40
_KEEP_OPEN = 128


class Escape(Exception):
    """A path that would leave, or does not fit into, the directory."""


def clean(name: bytes, max_depth: int) -> bytes:
    """A name from an archive as a relative path: a leading slash means our root, as it does for every other tool; `..`
    is refused. b"" is the root itself."""
    parts = [part for part in name.split(b"/") if part and part != b"."]
    if b".." in parts:
        raise Escape("the path leaves the layer")
    if b"\0" in name:
        raise Escape("the path has a NUL byte in it")
    if len(parts) > max_depth:
        raise Escape(f"the path is more than {max_depth} directories deep")
    return b"/".join(parts)


def split(path: bytes) -> tuple[bytes, bytes]:
    parent, _, name = path.rpartition(b"/")
    return parent, name


class Root:
    """One directory and the open descriptors of those below it. Paths are cleaned, relative bytes; b"" is the root."""

    def __init__(self, fd: int) -> None:
        self._root = fd
        self._open: dict[bytes, int] = {}

    def close(self) -> None:
        """Forget the open directories (the root's descriptor is its owner's)."""
        for fd in self._open.values():
            os.close(fd)
        self._open.clear()

    def directory(self, path: bytes, make: Callable[[bytes, int, bytes], None] | None = None) -> int:
        """The descriptor of a directory; valid until the next call. Missing ones are made by `make(path, parent,
        name)`, or are a FileNotFoundError without it. NotADirectoryError when something else has the name."""
        fd = self._open.get(path)
        if fd is not None:
            return fd
        if len(self._open) > _KEEP_OPEN:
            self.close()
        return self._fd(self._walk(path, make))

    def resolve(self, path: bytes) -> bytes:
        """The directory's path without links in it."""
        return path if path in self._open else self._walk(path, None)

    def _fd(self, real: bytes) -> int:
        return self._open[real] if real else self._root

    def _walk(self, path: bytes, make: Callable[[bytes, int, bytes], None] | None) -> bytes:
        todo = path.split(b"/")
        todo.reverse()
        here = b""
        links = 0
        while todo:
            name = todo.pop()
            if name in (b"", b"."):
                continue
            if name == b"..":  # only a link's target has these
                here = split(here)[0]
                continue
            there = here + b"/" + name if here else name
            if there in self._open:
                here = there
                continue
            parent = self._fd(here)
            try:
                self._open[there] = os.open(name, _OPEN, dir_fd=parent)
            except FileNotFoundError:
                if make is None:
                    raise
                make(there, parent, name)
                self._open[there] = os.open(name, _OPEN, dir_fd=parent)
            except OSError as e:
                if e.errno not in (errno.ELOOP, errno.ENOTDIR):
                    raise
                target = _link(name, parent)
                if target is None:
                    if make is None or not _deleted(name, parent):
                        raise NotADirectoryError(errno.ENOTDIR, "not a directory", os.fsdecode(there)) from None
                    make(there, parent, name)
                    self._open[there] = os.open(name, _OPEN, dir_fd=parent)
                else:
                    links += 1
                    if links > _MAX_LINKS or len(todo) > 4096:
                        raise Escape("too many levels of symbolic links") from None
                    if target.startswith(b"/"):
                        here = b""
                    todo.extend(reversed(target.split(b"/")))
                    continue
            here = there
        return here

    def remove(self, parent: int, name: bytes, found: os.stat_result) -> None:
        """Take away what has a name, trees with all that is in them."""
        if stat.S_ISDIR(found.st_mode):
            keep = os.dup(parent)  # closing the cache may close the one we stand on
            try:
                self.close()
                shutil.rmtree(name, dir_fd=keep)
            finally:
                os.close(keep)
        else:
            os.unlink(name, dir_fd=parent)

    def lookup(self, path: bytes) -> tuple[int, bytes] | None:
        """Parent descriptor and name of something, links in the parent's path followed inside; None if not there."""
        above, name = split(path)
        try:
            parent = self.directory(above)
            os.stat(name, dir_fd=parent, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return parent, name


def _link(name: bytes, parent: int) -> bytes | None:
    try:
        return os.readlink(name, dir_fd=parent)
    except OSError as e:
        if e.errno == errno.EINVAL:
            return None
        raise


def _deleted(name: bytes, parent: int) -> bool:
    return is_deleted(parent, name, os.stat(name, dir_fd=parent, follow_symlinks=False))
