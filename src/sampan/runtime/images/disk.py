"""What a store holds on disk beside its records: leftovers of killed processes, and what a tree takes."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from sampan.runtime.images.leases import Leases
from sampan.runtime.images.locks import try_lock
from sampan.runtime.images.snapshots import SnapshotStore, remove_tree

_STALE_RECORD = 60.0  # a record is written in milliseconds


def clear_leftovers(root: Path, snapshots: SnapshotStore, leases: Leases, now: float) -> None:
    """Remove what nobody is at any more: layers half unpacked or half removed, containers without a record."""
    for path in snapshots.layers.glob("*.gone"):
        remove_tree(path)
    for path in (*snapshots.layers.glob("*.new"), *root.glob("*.new")):
        if not path.is_dir():
            with suppress(FileNotFoundError):  # its writer has just renamed it
                if now - path.stat().st_mtime > _STALE_RECORD:
                    path.unlink()
            continue
        lock = try_lock(path.with_suffix(".lock"))
        if lock is not None:  # else its unpacker lives
            remove_tree(path)
            lock.release_and_unlink()
    with leases.gate():
        leases.needed()  # drops those whose process is gone
        for folder in snapshots.everybodys.glob("*/*"):
            if not (folder / "rootfs.json").exists():
                remove_tree(folder)


def tree_usage(root: Path) -> tuple[int, int]:
    """Bytes on disk and inodes below a directory; a file with several names counts once."""
    used = inodes = 0
    seen: set[int] = set()
    pending = [os.fspath(root)]
    while pending:
        try:
            entries = list(os.scandir(pending.pop()))
        except (FileNotFoundError, NotADirectoryError):
            continue
        for entry in entries:
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            if status.st_nlink > 1 and not entry.is_dir(follow_symlinks=False):
                if status.st_ino in seen:
                    continue
                seen.add(status.st_ino)
            used += status.st_blocks * 512
            inodes += 1
            if entry.is_dir(follow_symlinks=False):
                pending.append(entry.path)
    return used, inodes
