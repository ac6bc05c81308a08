"""The roots of containers: an overlay on an image's layers, or a copy of them, and what a container itself wrote.

A root belongs to the container from `prepare` to `remove`; as long as it is there its image is in use. Everything
blocks.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from sampan.runtime.images.disk import tree_usage
from sampan.runtime.images.index import ImageIndex, missing
from sampan.runtime.images.leases import Leases
from sampan.runtime.images.merge import OverlaySupport, copy_layers, fits_one_mount
from sampan.runtime.images.snapshots import RootfsRecord, SnapshotStore, remove_tree
from sampan.runtime.records import FsInfo, Rootfs


class ContainerRoots:
    def __init__(
        self,
        root: Path,
        snapshots: SnapshotStore,
        index: ImageIndex,
        leases: Leases,
        overlays: OverlaySupport,
        now: Callable[[], float],
    ) -> None:
        self._root = root
        self._snapshots = snapshots
        self._index = index
        self._leases = leases
        self._overlays = overlays
        self._now = now
        self._marks = root / "used"

    def open(self) -> None:
        self._marks.mkdir(mode=0o700, exist_ok=True)

    def prepare(self, image_ref: str, container_id: str) -> Rootfs:
        folder = self._snapshots.container(container_id)
        record = self._snapshots.rootfs_record(container_id)
        if record is None:
            record = self._begin_rootfs(image_ref, folder)
        lower = [self._snapshots.path(layer) for layer in reversed(record.chain)]
        if record.copied:
            return Rootfs(path=str(self._copied(folder, lower)))
        for name in ("upper", "work"):
            (folder / name).mkdir(mode=0o755, exist_ok=True)
        if not (folder / "ready").exists():
            _copy_owner_and_mode(lower[0], folder / "upper")
            (folder / "ready").touch()
        return Rootfs(lower=[str(p) for p in lower], upper=str(folder / "upper"), work=str(folder / "work"))

    def _begin_rootfs(self, image_ref: str, folder: Path) -> RootfsRecord:
        with self._leases.gate():
            state = self._index.read()
            found = state.find(image_ref)
            if found is None:
                raise missing(image_ref)
            chain = state.images[found].chain
            lower = [self._snapshots.path(layer) for layer in reversed(chain)]
            overlay = self._can_overlay(chain) and fits_one_mount(lower, folder / "upper", self._root)
            record = RootfsRecord(image=found, chain=chain, copied=not overlay)
            self._snapshots.add_container(folder, record)
        mark = self._mark(found)
        mark.touch()
        os.utime(mark, (self._now(), self._now()))
        return record

    def _can_overlay(self, chain: Sequence[str]) -> bool:
        if not chain or not self._overlays.works():
            return False
        layers = [self._snapshots.record(layer) for layer in chain]
        return not any(layer is not None and layer.portable for layer in layers)

    def _copied(self, folder: Path, lower: Sequence[Path]) -> Path:
        target = folder / "root"
        if not target.exists():
            half_made = folder / "root.new"
            remove_tree(half_made)
            copy_layers(lower, half_made)
            half_made.rename(target)
        return target

    def remove(self, container_id: str) -> None:
        folder = self._snapshots.container(container_id)
        for name in ("upper", "work", "root", "root.new"):
            remove_tree(folder / name)
        remove_tree(folder)  # the record last: until here the image is in use

    def names(self) -> list[str]:
        try:
            return sorted(path.name for path in self._snapshots.containers.iterdir())
        except FileNotFoundError:
            return []

    def usage(self, container_id: str) -> FsInfo:
        folder = self._snapshots.container(container_id)
        own = folder / "upper" if (folder / "upper").is_dir() else folder / "root"
        used, inodes = tree_usage(own)
        return FsInfo(path=str(own), at=time.time_ns(), used_bytes=used, used_inodes=inodes)

    # --- when an image was last used ---

    def last_used(self, image_id: str) -> float:
        try:
            return self._mark(image_id).stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def forget(self, image_id: str) -> None:
        self._mark(image_id).unlink(missing_ok=True)

    def _mark(self, image_id: str) -> Path:
        return self._marks / image_id.replace(":", "-")


def _copy_owner_and_mode(source: Path, target: Path) -> None:
    """An overlay's root shows its upper directory's own look."""
    status = source.stat()
    os.chown(target, status.st_uid, status.st_gid)
    target.chmod(status.st_mode & 0o7777)
