"""One layer's archive into one directory, in the form overlayfs merges: deletions as whiteouts, replaced directories
opaque.

A layer says `.wh.NAME` for "NAME of the layers below is gone" and `.wh..wh..opq` for "nothing of this directory's older
content shows". Both only ever speak of older layers, so a file of the same layer stays whatever the order.

Nothing here trusts the archive: names are confined (`confine.py`), sizes bounded (`decompress.Limits`), device nodes
and attributes are let through by list. What is refused is refused with the entry's name, and the caller drops the
directory.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass

from sampan.runtime.errors import ImagePullError
from sampan.runtime.images import tarstream
from sampan.runtime.images.confine import Escape, Root, clean, split
from sampan.runtime.images.decompress import LayerStream, Limits, StreamError
from sampan.runtime.images.lower import Lowers
from sampan.runtime.images.marks import is_deleted, mark_deleted, mark_opaque
from sampan.runtime.images.tarstream import Entry, TarError, show

_WHITEOUT = b".wh."
_OPAQUE_MARK = b".wh..wh..opq"
_HARMLESS_DEVICES = frozenset({(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2)})  # null zero … tty ptmx
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_MAX_XATTR = 64 << 10
_MAX_ID = (1 << 32) - 2  # the one above means "leave it" to chown


class UnpackError(ImagePullError):
    """The layer cannot or must not be unpacked."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    diff_id: str
    size: int  # of the files' content
    entries: int


def unpack(
    stream: LayerStream,
    target: int,
    lowers: Sequence[int] = (),
    limits: Limits | None = None,
    *,
    native: bool = True,
) -> Unpacked:
    """Unpack into the empty directory `target`; `lowers` are the directories of the layers below, nearest first.
    `native`: with overlayfs' own marks.

    Blocks for as long as it takes. OSErrors (a full disk) come through as they are."""
    layer = _Layer(target, Lowers(lowers), limits or Limits(), native)
    try:
        return layer.run(stream)
    except (TarError, StreamError) as e:
        raise UnpackError(str(e)) from e
    except EOFError:
        raise UnpackError("unexpected EOF") from None
    finally:
        layer.root.close()


class _Layer:
    def __init__(self, target: int, lowers: Lowers, limits: Limits, native: bool) -> None:
        self.root = Root(target)
        self._target = target
        self._lowers = lowers
        self._limits = limits
        self._native = native
        self._own = (os.geteuid(), os.getegid())
        self._directory_times: dict[bytes, int] = {}
        self._size = 0

    def run(self, stream: LayerStream) -> Unpacked:
        count = 0
        self._look_as_below(self._target, b"")
        for entry in tarstream.entries(stream, self._limits.max_header):
            count += 1
            if count > self._limits.max_entries:
                raise UnpackError(f"layer has more than the {self._limits.max_entries} entries allowed")
            try:
                self._apply(entry, stream)
            except (Escape, _Refused) as e:
                raise UnpackError(f"refused entry {show(entry.name)}: {e}") from e
            except OSError as e:
                if e.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise OSError(e.errno, e.strerror, os.fsdecode(entry.name)) from e
                raise UnpackError(f"failed to unpack entry {show(entry.name)}: {(e.strerror or str(e)).lower()}") from e
            except (OverflowError, ValueError) as e:  # numbers and names that no file can have
                raise UnpackError(f"refused entry {show(entry.name)}: {e}") from e
        self._set_directory_times()
        return Unpacked(diff_id=stream.finish(), size=self._size, entries=count)

    def _apply(self, entry: Entry, stream: LayerStream) -> None:
        path = clean(entry.name, self._limits.max_depth)
        if max(entry.uid, entry.gid) > _MAX_ID:
            raise _Refused(f"owner {entry.uid}:{entry.gid}")
        if not path:
            if entry.type != tarstream.DIRECTORY:
                raise _Refused("the layer's root must be a directory")
            self._dress(self._target, entry)
            self._directory_times[b""] = entry.mtime_ns
            return
        above, name = split(path)
        if name.startswith(_WHITEOUT):
            self._whiteout(above, name)
            self._skip(entry, stream)
            return
        parent = self.root.directory(above, self._make_implied)
        if entry.type == tarstream.REGULAR:
            self._file(parent, path, name, entry, stream)
        elif entry.type == tarstream.DIRECTORY:
            self._directory(parent, path, name, entry)
        elif entry.type == tarstream.SYMLINK:
            parent = self._freed(above, name)
            os.symlink(entry.link, name, dir_fd=parent)
            self._dress_link(parent, name, entry)
        elif entry.type == tarstream.HARD_LINK:
            self._hard_link(above, name, entry)
        else:
            self._node(path, name, entry)

    # --- the kinds of entries ---

    def _file(self, parent: int, path: bytes, name: bytes, entry: Entry, stream: LayerStream) -> None:
        if self._size + entry.size > self._limits.max_bytes:
            raise self._limits.too_large()
        try:
            fd = os.open(name, _CREATE, 0o600, dir_fd=parent)
        except FileExistsError:
            fd = os.open(name, _CREATE, 0o600, dir_fd=self._freed(split(path)[0], name))
        try:
            if entry.size:
                for piece in stream.pieces(entry.size):
                    view = piece
                    while len(view):
                        view = view[os.write(fd, view) :]
                stream.exactly(tarstream.padding(entry.size))
                self._size += entry.size
            self._dress(fd, entry)
            os.utime(fd, ns=(entry.mtime_ns, entry.mtime_ns))
        finally:
            os.close(fd)

    def _directory(self, parent: int, path: bytes, name: bytes, entry: Entry) -> None:
        found = _status(parent, name)
        opaque = found is not None and is_deleted(parent, name, found)
        if found is None or not stat.S_ISDIR(found.st_mode):
            if found is not None:
                os.unlink(name, dir_fd=parent)
            os.mkdir(name, 0o700, dir_fd=parent)
        fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            if opaque:
                mark_opaque(fd, native=self._native)
            self._dress(fd, entry)
        finally:
            os.close(fd)
        self._directory_times[path] = entry.mtime_ns

    def _hard_link(self, above: bytes, name: bytes, entry: Entry) -> None:
        source = clean(entry.link, self._limits.max_depth)
        if not source:
            raise _Refused("a hard link to the layer's root")
        found = self.root.lookup(source)
        if found is None:
            self._copy_up(source)
            found = self.root.lookup(source)
            assert found is not None
        source_fd = os.dup(found[0])  # asking for the other parent may close this one
        try:
            status = os.stat(found[1], dir_fd=source_fd, follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode) or is_deleted(source_fd, found[1], status):
                raise _Refused(f"hard link to {show(entry.link)}, which is no file")
            parent = self.root.directory(above, self._make_implied)
            existing = _status(parent, name)
            if existing is not None and (existing.st_dev, existing.st_ino) == (status.st_dev, status.st_ino):
                return
            parent = self._freed(above, name)
            os.link(found[1], name, src_dir_fd=source_fd, dst_dir_fd=parent, follow_symlinks=False)
        finally:
            os.close(source_fd)

    def _node(self, path: bytes, name: bytes, entry: Entry) -> None:
        device = 0
        kind = stat.S_IFIFO
        if entry.type != tarstream.FIFO:
            if entry.type == tarstream.DEVICE or (entry.major, entry.minor) not in _HARMLESS_DEVICES:
                if path.startswith(b"dev/"):
                    return  # a container's /dev is made for it, this one would never be seen
                raise _Refused(f"device node {entry.major}:{entry.minor}")
            kind = stat.S_IFCHR
            device = os.makedev(entry.major, entry.minor)
        parent = self._freed(split(path)[0], name)
        os.mknod(name, kind | 0o600, device, dir_fd=parent)
        self._dress_link(parent, name, entry)
        os.chmod(name, entry.mode, dir_fd=parent)  # our own fresh node, not a link

    def _whiteout(self, above: bytes, name: bytes) -> None:
        if name == _OPAQUE_MARK:
            mark_opaque(self.root.directory(above, self._make_implied), native=self._native)
            return
        if name.startswith(_WHITEOUT + _WHITEOUT):
            return  # aufs' own bookkeeping
        gone = name[len(_WHITEOUT) :]
        if gone in (b"", b".", b".."):
            raise _Refused("a whiteout of no name")
        parent = self.root.directory(above, self._make_implied)
        found = _status(parent, gone)
        if found is None:
            mark_deleted(parent, gone, native=self._native)
        elif stat.S_ISDIR(found.st_mode):  # this layer's own directory stays, what was below it does not show
            real = self.root.directory(above + b"/" + gone if above else gone)
            mark_opaque(real, native=self._native)

    # --- what they share ---

    def _make_implied(self, path: bytes, parent: int, name: bytes) -> None:
        """A directory that no entry named (yet): as the layers below have it."""
        found = _status(parent, name)
        if found is not None:
            os.unlink(name, dir_fd=parent)  # our own whiteout of it
        os.mkdir(name, 0o755, dir_fd=parent)
        fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            os.fchown(fd, *self._own)
            os.fchmod(fd, 0o755)
            if found is not None:
                mark_opaque(fd, native=self._native)
            else:
                self._look_as_below(fd, path)
        finally:
            os.close(fd)

    def _look_as_below(self, fd: int, path: bytes) -> None:
        """overlayfs shows a directory as the topmost layer has it, so one that this layer says nothing of must look as
        before."""
        below = self._lowers.directory_status(path)
        if below is None:
            return
        status, xattrs = below
        os.fchown(fd, status.st_uid, status.st_gid)
        os.fchmod(fd, stat.S_IMODE(status.st_mode))
        for key, value in xattrs.items():
            os.setxattr(fd, key, value)
        self._directory_times.setdefault(path, status.st_mtime_ns)

    def _copy_up(self, path: bytes) -> None:
        """Bring a file of an older layer here, to link to it."""
        source = self._lowers.open_file(path)
        if source is None:
            raise _Refused(f"hard link to {show(path)}, which is not there")
        try:
            status = os.fstat(source)
            above, name = split(path)
            parent = self.root.directory(above, self._make_implied)
            fd = os.open(name, _CREATE, 0o600, dir_fd=parent)
            try:
                while os.sendfile(fd, source, None, 1 << 30):
                    pass
                os.fchown(fd, status.st_uid, status.st_gid)
                os.fchmod(fd, stat.S_IMODE(status.st_mode))
                for key in os.listxattr(source):
                    os.setxattr(fd, key, os.getxattr(source, key))
                os.utime(fd, ns=(status.st_mtime_ns, status.st_mtime_ns))
            finally:
                os.close(fd)
        finally:
            os.close(source)

    def _freed(self, above: bytes, name: bytes) -> int:
        """The directory `above`, with nothing of that name in it any more: the last entry of a name wins."""
        parent = self.root.directory(above)
        found = _status(parent, name)
        if found is None:
            return parent
        self.root.remove(parent, name, found)
        return self.root.directory(above)

    def _dress(self, fd: int, entry: Entry) -> None:
        """Owner (also where it is ours: a setgid directory gives its group to what is made in it), then mode and
        attributes: a change of owner clears setuid bits and capabilities."""
        os.fchown(fd, entry.uid, entry.gid)
        os.fchmod(fd, entry.mode)
        for key, value in entry.xattrs.items():
            _set_xattr(fd, key, value)

    def _dress_link(self, parent: int, name: bytes, entry: Entry) -> None:
        os.chown(name, entry.uid, entry.gid, dir_fd=parent, follow_symlinks=False)
        os.utime(name, ns=(entry.mtime_ns, entry.mtime_ns), dir_fd=parent, follow_symlinks=False)

    def _skip(self, entry: Entry, stream: LayerStream) -> None:
        for _ in stream.pieces(entry.size + tarstream.padding(entry.size)):
            pass

    def _set_directory_times(self) -> None:
        for path, mtime_ns in self._directory_times.items():
            try:
                os.utime(self.root.directory(path), ns=(mtime_ns, mtime_ns))
            except (FileNotFoundError, NotADirectoryError, Escape):
                pass  # a later entry replaced it
            except (OverflowError, OSError) as e:
                raise UnpackError(f"failed to set the time of {show(path)}: {e}") from e


class _Refused(Exception):
    pass


def _status(parent: int, name: bytes) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _set_xattr(fd: int, key: bytes, value: bytes) -> None:
    """Only what a container may own: some steer overlayfs or are our marks, labels of a host are not the image's."""
    if key.startswith((b"trusted.", b"user.overlay.", b"user.sampan.")):
        raise _Refused(f"extended attribute {show(key)}")
    if len(value) > _MAX_XATTR:
        raise _Refused(f"extended attribute {show(key)} of {len(value)} bytes")
    if key == b"security.capability" or key.startswith((b"user.", b"system.posix_acl_")):
        try:
            os.setxattr(fd, key, value)
        except OSError as e:
            if e.errno != errno.ENOTSUP:  # a filesystem without them; containerd goes on as well
                raise
