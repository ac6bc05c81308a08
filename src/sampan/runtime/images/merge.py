"""A container's root where overlayfs cannot serve: the layers copied over one another into one directory.

Slower and larger, and nothing else is different. Used when the kernel or the filesystem refuses an overlay, or an image
has more layers than one mount can name.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path

from sampan.runtime.images.locks import locked
from sampan.runtime.images.marks import is_deleted, is_opaque, mark_deleted, mark_opaque

_DETACH = 2  # of umount2
_OPTIONS_LIMIT = 4000  # of the 4,096 bytes a mount's options may take, minus what others add


class OverlaySupport:
    """Whether this store's containers get overlays; tried when it is first asked for. `forced` decides beforehand."""

    def __init__(self, folder: Path, forced: bool | None = None) -> None:
        self._folder = folder
        self._known = forced

    def works(self) -> bool:
        """Blocks."""
        if self._known is None:
            self._known = overlay_works(self._folder)
        return self._known


def overlay_works(folder: Path) -> bool:
    """Try one: the only answer that counts for this kernel, this filesystem and these rights."""
    with locked(folder / "probe.lock"):  # one at a time, so whatever lies there is of a killed one
        probe = folder / "probe"
        libc = ctypes.CDLL(None, use_errno=True)
        merged = os.fsencode(probe / "merged")
        libc.umount2(merged, _DETACH)
        shutil.rmtree(probe, ignore_errors=True)
        try:
            for name in ("lower", "upper", "work", "merged"):
                (probe / name).mkdir(parents=True)
            if not _marks_work(probe / "lower"):
                return False
            options = f"lowerdir={probe}/lower,upperdir={probe}/upper,workdir={probe}/work"
            if libc.mount(b"overlay", merged, b"overlay", 0, os.fsencode(options)) != 0:
                return False
            libc.umount2(merged, _DETACH)
            return True
        finally:
            shutil.rmtree(probe, ignore_errors=True)


def _marks_work(folder: Path) -> bool:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        mark_deleted(fd, b"gone", native=True)
        mark_opaque(fd, native=True)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def fits_one_mount(lower: Sequence[Path], upper: Path, root: Path) -> bool:
    """Whether the options string has room for all of it. Whoever mounts may write `/proc/self/fd/N` for the store's own
    path, which is what counts when that is long."""
    prefix = min(len(os.fsencode(root)), len("/proc/self/fd/10000"))
    lengths = [prefix + len(os.fsencode(path.relative_to(root))) + 2 for path in (*lower, upper, upper)]
    return sum(lengths) + len("lowerdir=,upperdir=,workdir=") < _OPTIONS_LIMIT


def copy_layers(lower: Sequence[Path], target: Path) -> None:
    """Merge the layers (top first, as overlayfs names them) into the new directory `target`."""
    target.mkdir(mode=0o755)
    for layer in reversed(lower):
        _merge(layer, target, {})
    if lower:
        _copy_look(lower[0], target)


def _merge(source: Path, target: Path, links: dict[int, Path]) -> None:
    fd = os.open(source, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _merge_entries(fd, source, target, links)
    finally:
        os.close(fd)


def _merge_entries(fd: int, source: Path, target: Path, links: dict[int, Path]) -> None:
    for entry in os.scandir(source):
        status = entry.stat(follow_symlinks=False)
        there = target / entry.name
        if is_deleted(fd, os.fsencode(entry.name), status):
            _remove(there)
        elif stat.S_ISDIR(status.st_mode):
            if _is_opaque(entry.path) or there.is_symlink() or not there.is_dir():
                _remove(there)
                there.mkdir()
            _merge(Path(entry.path), there, links)
            _copy_look(Path(entry.path), there)
        else:
            _remove(there)
            if status.st_nlink > 1 and (first := links.get(status.st_ino)) is not None:
                os.link(first, there, follow_symlinks=False)
                continue
            links[status.st_ino] = there
            _copy_one(Path(entry.path), there, status)


def _copy_one(source: Path, target: Path, status: os.stat_result) -> None:
    if stat.S_ISLNK(status.st_mode):
        target.symlink_to(os.readlink(source))
    elif stat.S_ISREG(status.st_mode):
        shutil.copyfile(source, target, follow_symlinks=False)
    else:
        os.mknod(target, stat.S_IFMT(status.st_mode) | 0o600, status.st_rdev)
    _copy_look(source, target)


def _copy_look(source: Path, target: Path) -> None:
    """Owner, mode, attributes and times, in the order in which none undoes another."""
    status = source.lstat()
    os.chown(target, status.st_uid, status.st_gid, follow_symlinks=False)
    if not stat.S_ISLNK(status.st_mode):
        target.chmod(stat.S_IMODE(status.st_mode))
    for name in os.listxattr(source, follow_symlinks=False):
        if not name.startswith(("trusted.", "user.sampan.")):
            os.setxattr(target, name, os.getxattr(source, name, follow_symlinks=False), follow_symlinks=False)
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)


def _is_opaque(path: str) -> bool:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        return is_opaque(fd)
    finally:
        os.close(fd)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
