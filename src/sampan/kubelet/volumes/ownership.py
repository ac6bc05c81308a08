"""fsGroup: a volume's files belong to the group, whose members may use them.

Everything is reached through directory descriptors and without following links: a container may already write to the
volume, and must not lead this walk to a file of the host.
"""

import os
import stat
from pathlib import Path

FILE, READONLY_FILE = 0o660, 0o440
FOLDER = stat.S_ISGID | 0o110  # beside the above: new files inherit the group


def set_group(directory: Path, group: int, *, only_if_needed: bool = False, readonly: bool = False) -> None:
    if only_if_needed and _is_right(directory, group, readonly=readonly):
        return
    for _, _, files, here in os.fwalk(directory, follow_symlinks=False):
        _give(here, ".", group, readonly=readonly)
        for name in files:  # links to directories are among the directories, and stay as they are
            _give(here, name, group, readonly=readonly)


def added_bits(mode: int, *, readonly: bool) -> int:
    """The permissions that fsGroup adds to a file or directory of this mode."""
    added = READONLY_FILE if readonly else FILE
    return added | FOLDER if stat.S_ISDIR(mode) else added


def _is_right(directory: Path, group: int, *, readonly: bool) -> bool:
    top = directory.stat()
    wanted = added_bits(top.st_mode, readonly=readonly)
    return top.st_gid == group and top.st_mode & wanted == wanted


def _give(here: int, name: str, group: int, *, readonly: bool) -> None:
    try:
        found = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
    except FileNotFoundError:
        return  # gone meanwhile
    try:
        mode, itself = os.fstat(found).st_mode, f"/proc/self/fd/{found}"
        os.chown(itself, -1, group)
        if not stat.S_ISLNK(mode):
            os.chmod(itself, stat.S_IMODE(mode) | added_bits(mode, readonly=readonly))
    finally:
        os.close(found)
