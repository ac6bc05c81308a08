"""Mounts the runtime itself makes on the host for a container: its root, its sub-path sources; and their removal."""

from __future__ import annotations

import errno
import os
import stat

from sampan.runtime import idmap, syscalls
from sampan.runtime.errors import CreateError
from sampan.runtime.records import IdMapping, Mount, Rootfs

_OPTIONS_LIMIT = 4000  # the kernel takes one page of options


def mount_rootfs(rootfs: Rootfs, target: str, ids: IdMapping | None = None, userns: int = -1) -> str:
    """The path of the container's root. An overlay goes to `target`. With `ids` it is as the user namespace sees it."""
    if not rootfs.lower:
        return rootfs.path if ids is None else idmap.mount(rootfs.path, target, userns)
    os.makedirs(target, 0o755, exist_ok=True)
    try:
        if ids is None:
            _mount_overlay(rootfs, target)
        else:
            with idmap.layers(rootfs, ids, userns, f"{target}.layers") as mapped:
                _mount_overlay(mapped, target)
    except OSError as error:
        raise CreateError(f"cannot mount the container's root: {error}") from error
    return target


def _mount_overlay(rootfs: Rootfs, target: str) -> None:
    """Long layer lists are shortened by a common prefix: a magic link to an open directory stands in for it."""
    prefix, fd = "", -1
    layers = [*rootfs.lower, rootfs.upper, rootfs.work]
    if sum(len(layer) + 1 for layer in layers) > _OPTIONS_LIMIT:
        prefix = os.path.commonpath(layers)
        fd = os.open(prefix, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        def short(path: str) -> str:
            path = f"/proc/self/fd/{fd}{path[len(prefix):]}" if fd >= 0 else path
            return path.replace("\\", "\\\\").replace(",", "\\,")

        lower = ":".join(short(layer).replace(":", "\\:") for layer in rootfs.lower)
        options = f"lowerdir={lower},upperdir={short(rootfs.upper)},workdir={short(rootfs.work)}"
        if len(options) > 4095:
            raise CreateError(f"the image has too many layers to mount ({len(rootfs.lower)})")
        syscalls.mount("overlay", target, "overlay", 0, options)
    finally:
        if fd >= 0:
            os.close(fd)


def bind_sub_path(mount: Mount, target: str) -> str:
    """A bind mount of what the sub-path names right now. Links in it are followed within the volume only, and whatever
    a container does to them later does not matter: the mount holds the file itself."""
    if os.path.isabs(mount.sub_path) or ".." in mount.sub_path.split("/"):
        raise CreateError(f"sub-path {mount.sub_path!r} must be relative and must not contain '..'")
    try:
        found = syscalls.open_in_root(mount.host_path, mount.sub_path)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise CreateError(f"cannot open sub-path {mount.sub_path!r}: {error.strerror}") from error
        found = _make_sub_path(mount)
    try:
        source = f"/proc/self/fd/{found}"
        if os.path.isdir(source):
            os.makedirs(target, 0o755, exist_ok=True)
        else:
            os.makedirs(os.path.dirname(target), 0o755, exist_ok=True)
            with open(target, "ab"):
                pass
        syscalls.mount(source, target, None, syscalls.MS_BIND | syscalls.MS_REC)
    except OSError as error:
        raise CreateError(f"cannot mount sub-path {mount.sub_path!r}: {error}") from error
    finally:
        os.close(found)
    return target


def _make_sub_path(mount: Mount) -> int:
    """A sub-path that is not there yet becomes a directory, made part by part from inside the volume. Whoever may write
    to the volume may write to it, whatever our umask is."""
    done, mode = "", stat.S_IMODE(os.stat(mount.host_path).st_mode) & (0o777 | stat.S_ISGID)
    for part in mount.sub_path.strip("/").split("/"):
        parent = syscalls.open_in_root(mount.host_path, done or ".")
        try:
            os.mkdir(part, 0o755, dir_fd=parent)
            made = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
            try:
                os.fchmod(made, mode)
            finally:
                os.close(made)
        except FileExistsError:
            pass
        except OSError as error:
            raise CreateError(f"cannot make sub-path {mount.sub_path!r}: {error.strerror}") from error
        finally:
            os.close(parent)
        done = f"{done}/{part}".lstrip("/")
    return syscalls.open_in_root(mount.host_path, done)


def bind_openly(root: str, folder: str, name: str) -> str:
    """The root once more where users who may not pass our own folders get to, by a name that they cannot guess."""
    target = f"{folder}/{name}"
    os.makedirs(folder, exist_ok=True)
    os.chmod(folder, 0o711)  # noqa: S103 - to be passed through, not to be looked at
    os.makedirs(target, 0o755)
    syscalls.mount(root, target, None, syscalls.MS_BIND)
    return target


def unbind_openly(folder: str, name: str) -> None:
    target = f"{folder}/{name}"
    if not os.path.isdir(target):
        return
    unmount(target)
    os.rmdir(target)
    try:
        os.rmdir(folder)
    except OSError:
        pass  # others have theirs there


def unmount_below(folder: str) -> None:
    """Every mount at or under the folder, the latest first."""
    with open("/proc/self/mountinfo") as file:
        targets = [line.split()[4].encode().decode("unicode_escape") for line in file]
    for target in reversed(targets):
        if target == folder or target.startswith(folder + "/"):
            try:
                syscalls.unmount(target)
            except OSError:
                pass  # gone with its parent


def unmount(target: str) -> None:
    try:
        syscalls.unmount(target)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOENT):  # not a mount; not there
            raise
