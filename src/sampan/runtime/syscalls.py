"""The system calls Python has no name for. Each raises OSError that says what it was about; none decides anything."""

from __future__ import annotations

import ctypes
import fcntl
import os
import platform
import struct

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC = 32, 4096, 16384
MS_PRIVATE = 1 << 18
MNT_DETACH = 2
UMOUNT_NOFOLLOW = 8

CLONE_FS, CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x200, 0x20000, 0x4000000, 0x8000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000

_PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 24, 38
_RESOLVE_NO_MAGICLINKS, _RESOLVE_IN_ROOT = 0x02, 0x10
_LAST_CAP = 40

_libc = ctypes.CDLL(None, use_errno=True)
_ARM = platform.machine() == "aarch64"
_NR_PIVOT_ROOT = 41 if _ARM else 155
_NR_OPENAT2 = 437
_NR_SETGROUPS = 159 if _ARM else 116
_NR_SETRESUID = 147 if _ARM else 117
_NR_SETRESGID = 149 if _ARM else 119
_NR_PIDFD_SEND_SIGNAL = 424
_NR_OPEN_TREE, _NR_MOVE_MOUNT, _NR_MOUNT_SETATTR = 428, 429, 442
_AT_FDCWD, _AT_EMPTY_PATH, _AT_RECURSIVE, _OPEN_TREE_CLONE, _MOVE_MOUNT_F_EMPTY_PATH = -100, 0x1000, 0x8000, 1, 4
_MOUNT_ATTR_IDMAP = 0x100000
_NS_GET_USERNS = 0xB701


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
    return result


def mount(source: str | None, target: str, fstype: str | None, flags: int, data: str | None = None) -> None:
    def encoded(text: str | None) -> bytes | None:
        return None if text is None else os.fsencode(text)

    _check(
        _libc.mount(encoded(source), encoded(target), encoded(fstype), ctypes.c_ulong(flags), encoded(data)),
        target,
    )


def unmount(target: str, *, detach: bool = True) -> None:
    """Detached at once from where it is; really gone when the last user lets go."""
    _check(_libc.umount2(os.fsencode(target), UMOUNT_NOFOLLOW | (MNT_DETACH if detach else 0)), target)


def unshare(flags: int) -> None:
    """For this thread alone."""
    _check(_libc.unshare(flags), "unshare")


def setns(fd: int, kind: int) -> None:
    """For this thread alone."""
    _check(_libc.setns(fd, kind), "setns")


def sethostname(name: str) -> None:
    encoded = name.encode()
    _check(_libc.sethostname(encoded, len(encoded)), "sethostname")


def pivot_root_here() -> None:
    """Make the current directory the root, and let go of the old one."""
    _check(_libc.syscall(_NR_PIVOT_ROOT, b".", b"."), "pivot_root")
    _check(_libc.umount2(b".", MNT_DETACH), "umount of the old root")
    os.chdir("/")


def drop_privileges(uid: int) -> None:
    """For this thread alone (the C library's setuid would change them all): no capability, no way to get one."""
    for cap in range(_LAST_CAP + 1):
        _libc.prctl(_PR_CAPBSET_DROP, cap, 0, 0, 0)  # EINVAL for what this kernel does not know
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    _check(_libc.syscall(_NR_SETGROUPS, 0, None), "setgroups")
    _check(_libc.syscall(_NR_SETRESGID, uid, uid, uid), "setresgid")
    _check(_libc.syscall(_NR_SETRESUID, uid, uid, uid), "setresuid")


def open_in_root(root: str, path: str) -> int:
    """An O_PATH descriptor of `path` under `root`, where every link is followed as if `root` were `/`."""
    root_fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        how = struct.pack("QQQ", os.O_PATH | os.O_CLOEXEC, 0, _RESOLVE_NO_MAGICLINKS | _RESOLVE_IN_ROOT)
        return _check(
            _libc.syscall(_NR_OPENAT2, root_fd, os.fsencode(path), how, ctypes.c_size_t(len(how))),
            os.path.join(root, path),
        )
    finally:
        os.close(root_fd)


def owner_of_namespace(fd: int) -> int:
    """A descriptor of the user namespace that a namespace belongs to."""
    return fcntl.ioctl(fd, _NS_GET_USERNS)


def idmapped_clone(source: str, target: str, userns: int) -> None:
    """A mount of `source`, with all that is mounted below it, on `target`: there, what belongs to user N of the host
    belongs to user N of the user namespace."""
    flags = _OPEN_TREE_CLONE | _AT_RECURSIVE | os.O_CLOEXEC
    tree = _check(_libc.syscall(_NR_OPEN_TREE, _AT_FDCWD, os.fsencode(source), flags), source)
    try:
        attributes = struct.pack("QQQQ", _MOUNT_ATTR_IDMAP, 0, 0, userns)
        at = _AT_EMPTY_PATH | _AT_RECURSIVE
        size = ctypes.c_size_t(len(attributes))
        _check(_libc.syscall(_NR_MOUNT_SETATTR, tree, b"", at, attributes, size), source)
        where = os.fsencode(target)
        _check(_libc.syscall(_NR_MOVE_MOUNT, tree, b"", _AT_FDCWD, where, _MOVE_MOUNT_F_EMPTY_PATH), target)
    finally:
        os.close(tree)


def pidfd_send_signal(pidfd: int, signal: int) -> None:
    _check(_libc.syscall(_NR_PIDFD_SEND_SIGNAL, pidfd, signal, None, 0), "pidfd_send_signal")


IN_MODIFY, IN_CLOSE_WRITE, IN_MOVED_FROM, IN_MOVED_TO = 0x2, 0x8, 0x40, 0x80
IN_CREATE, IN_DELETE, IN_MOVE_SELF, IN_DELETE_SELF = 0x100, 0x200, 0x800, 0x400


def inotify_init() -> int:
    return _check(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC), "inotify")


def inotify_add(fd: int, path: str, mask: int) -> int:
    return _check(_libc.inotify_add_watch(fd, os.fsencode(path), mask), path)
