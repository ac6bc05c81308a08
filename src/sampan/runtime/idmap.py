"""Files of the host as a user namespace sees them: mounts in which user 0 of the host is user 0 of the namespace.

Without it everything would belong to nobody in there. What a container writes belongs to its own users on disk as well:
volumes look the same to Pods with and without a user namespace.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from msgspec.structs import replace

from sampan.runtime import syscalls
from sampan.runtime.errors import CreateError
from sampan.runtime.records import IdMapping, Rootfs

_CANNOT = (errno.EINVAL, errno.ENOSYS, errno.EPERM)


@contextmanager
def user_namespace(infra_pid: int) -> Iterator[int]:
    """A descriptor of the one that a sandbox lives in."""
    fd = os.open(f"/proc/{infra_pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def mount(source: str, target: str, userns: int) -> str:
    """`target`, where a file or directory is now seen as from inside."""
    if os.path.isdir(source):
        os.makedirs(target, 0o755, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), 0o755, exist_ok=True)
        with open(target, "ab"):
            pass
    try:
        syscalls.idmapped_clone(source, target, userns)
    except OSError as error:
        if error.errno in _CANNOT:
            raise CreateError(
                f"{source} cannot be used in a Pod with a user namespace (hostUsers: false): its file system, or this "
                f"kernel, has no ID-mapped mounts: {error.strerror}"
            ) from error
        raise
    return target


@contextmanager
def layers(rootfs: Rootfs, ids: IdMapping, userns: int, folder: str) -> Iterator[Rootfs]:
    """The root's layers as seen from inside, until the overlay over them is mounted: it keeps what it needs."""
    mapped = []
    try:
        for number, layer in enumerate(rootfs.lower):
            mapped.append(mount(layer, f"{folder}/{number}", userns))
        for path in (rootfs.upper, rootfs.work):
            owner = os.stat(path)
            if owner.st_uid < ids.first:
                os.chown(path, ids.first + owner.st_uid, ids.first + owner.st_gid)
        yield replace(rootfs, lower=mapped)
    finally:
        for path in mapped:
            syscalls.unmount(path)
        shutil.rmtree(folder, ignore_errors=True)
