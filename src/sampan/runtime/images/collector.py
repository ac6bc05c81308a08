"""Removing images: by name or id, all unused ones, or as many as a filling disk asks for. What to remove is decided in
`gc.py`; here it is done."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence

from sampan.runtime.errors import ImageInUse, RuntimeFault
from sampan.runtime.images import gc
from sampan.runtime.images.blocking import blocking
from sampan.runtime.images.content import ContentStore
from sampan.runtime.images.index import ImageIndex, missing
from sampan.runtime.images.leases import Leases
from sampan.runtime.images.registry import Sleep
from sampan.runtime.images.roots import ContainerRoots
from sampan.runtime.images.snapshots import SnapshotStore

log = logging.getLogger(__name__)


class Collector:
    def __init__(
        self,
        content: ContentStore,
        snapshots: SnapshotStore,
        index: ImageIndex,
        leases: Leases,
        roots: ContainerRoots,
        thresholds: gc.Thresholds,
        now: Callable[[], float],
    ) -> None:
        self._content = content
        self._snapshots = snapshots
        self._index = index
        self._leases = leases
        self._roots = roots
        self._thresholds = thresholds
        self._now = now

    def sweep(self) -> int:
        """Remove what nothing needs; the bytes that it freed. Blocks."""
        return gc.sweep(self._content, self._snapshots, self._index, self._leases)

    def give_back(self) -> None:
        """The disk is full: drop what did not become an image, at the price of fetching it again. Blocks."""
        self._content.clear_stale(self._now(), older_than=0)
        self.sweep()

    async def remove(self, ref: str) -> None:
        await blocking(self._remove, ref)
        await blocking(self.sweep)

    def _remove(self, ref: str) -> None:
        with self._leases.gate(), self._index.change() as state:
            found = state.find(ref)
            if found is None:
                raise missing(ref)
            users = [name for name, record in self._snapshots.rootfs_records().items() if record.image == found]
            named = state.find_name(ref) if ref not in state.images else None
            if named is not None:
                state.untag(named[0])
            if named is None or not state.named(found):
                if users:
                    raise ImageInUse(f'image "{ref}" is in use by container {", ".join(sorted(users)[:3])}')
                state.drop(found)
                self._roots.forget(found)

    async def collect(self, thresholds: gc.Thresholds | None = None) -> tuple[list[str], int]:
        """When the disk is fuller than it may be: remove unused images, the longest unused first, until it is not."""
        limits = thresholds or self._thresholds
        disk = await blocking(os.statvfs, self._content.blobs)
        need = gc.bytes_to_free(disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize, limits)
        if need <= 0:
            return [], 0
        freed = await blocking(self.sweep)
        if freed >= need:
            return [], freed
        candidates = await blocking(self._candidates)
        gone, more = await self.remove_all(gc.removable(candidates, self._now(), limits.min_age), need - freed)
        return gone, freed + more

    async def keep_collecting(self, every: float, sleep: Sleep) -> None:
        while True:
            await sleep(every)
            try:
                gone, freed = await self.collect()
            except (OSError, RuntimeFault) as e:
                log.warning("cannot free disk space of images: %s", e)
                continue
            if gone or freed:
                log.info("disk is filling: removed unused images %s, %d bytes", ", ".join(gone) or "(none)", freed)

    async def remove_all(self, ids: Sequence[str], need: int | None = None) -> tuple[list[str], int]:
        """Remove those that are not in use, until `need` bytes are free; the ids that went, and the bytes."""
        gone: list[str] = []
        freed = 0
        for found in ids:
            if need is not None and freed >= need:
                break
            try:
                await blocking(self._remove, found)
            except ImageInUse:
                continue
            gone.append(found)
            freed += await blocking(self.sweep)
        if need is None:
            freed += await blocking(self.sweep)
        return gone, freed

    def _candidates(self) -> list[gc.Candidate]:
        state = self._index.read()
        in_use = gc.images_in_use(self._snapshots.rootfs_records())
        return [
            gc.Candidate(found, self._roots.last_used(found), record.stored_at, found in in_use, found in state.pinned)
            for found, record in state.images.items()
        ]
