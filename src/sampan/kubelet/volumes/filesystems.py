"""File systems that the kubelet itself mounts for volumes, and their removal."""

import contextlib
import ctypes
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
MNT_DETACH = 2


def mount(kind: str, directory: Path, options: Sequence[str] = ()) -> None:
    given = ",".join(options).encode()
    failed = _LIBC.mount(kind.encode(), os.fsencode(directory), kind.encode(), 0, given)
    if failed:
        number = ctypes.get_errno()
        raise OSError(number, f"mounting {kind} at {directory}: {os.strerror(number)}")


def is_mounted(directory: Path) -> bool:
    return os.path.ismount(directory)


def keep_in_memory(directory: Path) -> None:
    """What is below it never reaches a disk. Once per boot: the mount outlives us, as Pods do."""
    directory.mkdir(parents=True, exist_ok=True)
    if not is_mounted(directory):
        directory.chmod(0o700)
        mount("tmpfs", directory)


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
