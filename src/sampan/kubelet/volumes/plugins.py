"""emptyDir and hostPath: directories on this node."""

import contextlib
import ctypes
import os
import shutil
import stat
from pathlib import Path

from sampan.api import quantity
from sampan.api.types import core_v1
from sampan.kubelet.errors import MountFault

_LIBC = ctypes.CDLL(None, use_errno=True)
MNT_DETACH = 2


def set_up_empty_dir(volume: core_v1.Volume, directory: Path, *, group: int | None) -> None:
    source = volume.emptyDir
    directory.mkdir(parents=True, exist_ok=True)
    if source is not None and source.medium == "Memory" and not os.path.ismount(directory):
        limit = quantity.value(source.sizeLimit) if source.sizeLimit is not None else 0
        mount_tmpfs(directory, limit)
    directory.chmod(0o777)
    if group is not None:
        set_group(directory, group, only_if_needed=False)


def mount_tmpfs(directory: Path, size: int) -> None:
    options = f"size={size}" if size else ""
    failed = _LIBC.mount(b"tmpfs", os.fsencode(directory), b"tmpfs", 0, options.encode())
    if failed:
        number = ctypes.get_errno()
        raise OSError(number, f"mounting tmpfs at {directory}: {os.strerror(number)}")


def keep_in_memory(directory: Path) -> None:
    """What is below it never reaches a disk. Once per boot: the mount outlives us, as Pods do."""
    directory.mkdir(parents=True, exist_ok=True)
    if not os.path.ismount(directory):
        directory.chmod(0o700)
        mount_tmpfs(directory, 0)


def unmount_below(directory: Path) -> None:
    """Every mount at or below the directory, the innermost first."""
    prefix = str(directory)
    mounts = []
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        at = line.split(" ")[4].encode().decode("unicode_escape")
        if at == prefix or at.startswith(prefix + "/"):
            mounts.append(at)
    for at in reversed(mounts):
        _LIBC.umount2(os.fsencode(at), MNT_DETACH)


def remove_directory(directory: Path) -> None:
    unmount_below(directory)
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(directory)


def set_up_host_path(volume: core_v1.Volume) -> Path:
    """Checks (or makes) what the Pod asked for; the path itself."""
    source = volume.hostPath
    assert source is not None
    path, kind = Path(source.path), source.type or ""
    fault = check_host_path(path, kind)
    if fault:
        raise MountFault(volume.name, f"hostPath type check failed: {fault}")
    return path


def check_host_path(path: Path, kind: str) -> str:
    """What is wrong; nothing when all is well."""
    if kind == "DirectoryOrCreate":
        if not path.exists():
            path.mkdir(parents=True, mode=0o755)
        return "" if path.is_dir() else f"{path} is not a directory"
    if kind == "FileOrCreate":
        if not path.exists():
            if not path.parent.is_dir():
                return f"{path} is not a file"
            path.touch(mode=0o644)
        return "" if path.is_file() else f"{path} is not a file"
    try:
        mode = path.stat().st_mode
    except OSError:
        mode = 0
    wanted = {
        "Directory": (stat.S_ISDIR, "a directory"),
        "File": (stat.S_ISREG, "a file"),
        "Socket": (stat.S_ISSOCK, "a socket"),
        "CharDevice": (stat.S_ISCHR, "a character device"),
        "BlockDevice": (stat.S_ISBLK, "a block device"),
    }.get(kind)
    if wanted is None:
        if mode == 0:
            path.mkdir(parents=True, exist_ok=True)  # as container runtimes do for a path that is not there
        return ""
    matches, name = wanted
    return "" if matches(mode) else f"{path} is not {name}"


def set_group(directory: Path, group: int, *, only_if_needed: bool) -> None:
    """fsGroup: everything belongs to the group, which may read and write; new files inherit it."""
    top = directory.stat()
    if only_if_needed and top.st_gid == group and top.st_mode & stat.S_ISGID:
        return
    for root, _, files in os.walk(directory):
        os.chown(root, -1, group)
        os.chmod(root, os.stat(root).st_mode | 0o070 | stat.S_ISGID)  # noqa: S103 - what fsGroup promises
        for name in files:
            path = os.path.join(root, name)
            if not os.path.islink(path):
                os.chown(path, -1, group)
                os.chmod(path, os.stat(path).st_mode | 0o060)
