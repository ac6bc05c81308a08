"""Named network namespaces, made and entered without starting a process (but for those of a user namespace).

A namespace is kept alive by a bind mount of its file, as `ip netns` does, so container runtimes take it as a path.
Entering one changes the calling *thread* only: whatever happens inside must not await.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .contract import IdRange, NetworkError

_CLONE_NEWNET, _MS_BIND, _MNT_DETACH = 0x40000000, 4096, 2
PROCESS = "/proc/self/ns/net"  # the main thread's, which is the node's
_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, doing: str) -> None:
    if result != 0:
        errno = ctypes.get_errno()
        raise NetworkError(f"{doing}: {os.strerror(errno)}")


def own_namespace() -> str:
    """The path of the calling thread's own namespace (not the process': they differ while one is entered)."""
    return f"/proc/self/task/{threading.get_native_id()}/ns/net"


@contextmanager
def entered(path: str | Path) -> Iterator[None]:
    """Run the block inside the namespace at `path`."""
    home = os.open(own_namespace(), os.O_RDONLY | os.O_CLOEXEC)
    try:
        enter(path)
        try:
            yield
        finally:
            _check(_libc.setns(home, _CLONE_NEWNET), "returning to the own network namespace")
    finally:
        os.close(home)


def enter(path: str | Path) -> None:
    """Move the calling thread into the namespace at `path` for good (a process does so before it starts threads)."""
    try:
        there = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise NetworkError(f"opening network namespace {path}: {error.strerror}") from error
    try:
        _check(_libc.setns(there, _CLONE_NEWNET), f"entering network namespace {path}")
    finally:
        os.close(there)


def create(path: Path, ids: IdRange | None = None) -> None:
    """A new namespace held by a bind mount on `path`, the host's or, with `ids`, that of a new user namespace. One that
    is there already stays."""
    if is_namespace(path):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o444)
    if ids is not None:
        _create_owned(path, ids)
        return
    home = os.open(own_namespace(), os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(_libc.unshare(_CLONE_NEWNET), "making a network namespace")
        try:
            mounted = _libc.mount(own_namespace().encode(), os.fsencode(path), b"none", _MS_BIND, None)
            errno = ctypes.get_errno()
        finally:
            _check(_libc.setns(home, _CLONE_NEWNET), "returning to the own network namespace")
        if mounted != 0:
            path.unlink(missing_ok=True)
            raise NetworkError(f"mounting a network namespace on {path}: {os.strerror(errno)}")
    finally:
        os.close(home)


def _create_owned(path: Path, ids: IdRange) -> None:
    """Who has threads cannot make user namespaces: a small process does, and lives until what it made is held."""
    holder = subprocess.Popen(
        ["unshare", "--user", "--net", "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    try:
        holder.stdin.write(b"\n")
        holder.stdin.flush()
        said = holder.stdout.readline()
        if said != b"\n":
            raise NetworkError(f"making a user namespace: {(said + holder.stdout.read()).decode().strip()}")
        for kind in ("uid_map", "gid_map"):
            Path(f"/proc/{holder.pid}/{kind}").write_text(f"0 {ids.first} {ids.size}")
        mounted = _libc.mount(f"/proc/{holder.pid}/ns/net".encode(), os.fsencode(path), b"none", _MS_BIND, None)
        _check(mounted, f"mounting a network namespace on {path}")
    except OSError as error:
        raise NetworkError(f"making a user namespace: {error}") from error
    finally:
        holder.kill()
        holder.communicate()
        if not is_namespace(path):
            path.unlink(missing_ok=True)


def remove(path: Path) -> None:
    """Let go of the namespace; the kernel ends it when its last process has gone."""
    while is_namespace(path):  # a crash between two mounts may have stacked them
        _check(_libc.umount2(os.fsencode(path), _MNT_DETACH), f"unmounting {path}")
    path.unlink(missing_ok=True)


def is_namespace(path: Path) -> bool:
    """True when something is mounted on the file: an empty leftover of a crash or reboot is not."""
    try:
        return os.stat(path).st_dev != os.stat(path.parent).st_dev
    except FileNotFoundError:
        return False
