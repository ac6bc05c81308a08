"""Whether a mount that is to carry mounts both ways can do so: on a part of the host that is not shared nothing would
come through, and nobody would be told."""

from __future__ import annotations

import os

from sampan.runtime.errors import CreateError
from sampan.runtime.records import Mount, Propagation


def check(mount: Mount, mountinfo: str) -> None:
    """Raises CreateError, in the words in which containerd says it."""
    if mount.propagation is not Propagation.BIDIRECTIONAL:
        return
    path = os.path.realpath(mount.host_path)
    covering, shared = _mount_of(path, mountinfo)
    if not shared:
        raise CreateError(f'path "{path}" is mounted on "{covering}" but it is not a shared mount')


def _mount_of(path: str, mountinfo: str) -> tuple[str, bool]:
    """The mount point that a path lies on, and whether it is shared. Of several on one place the last is on top."""
    found, shared = "/", False
    for line in mountinfo.splitlines():
        fields = line.partition(" - ")[0].split()
        point = fields[4].encode().decode("unicode_escape")
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(found):
            found, shared = point, any(option.startswith("shared:") for option in fields[6:])
    return found, shared
