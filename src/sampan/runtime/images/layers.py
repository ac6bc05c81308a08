"""From layer blobs to layer directories, in order, each one once: the second half of a pull and of a load."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from sampan.runtime.images.blocking import blocking
from sampan.runtime.images.content import ContentStore
from sampan.runtime.images.decompress import Limits
from sampan.runtime.images.locks import waiting_for
from sampan.runtime.images.manifest import BadDocument
from sampan.runtime.images.merge import OverlaySupport
from sampan.runtime.images.snapshots import SnapshotStore, chain_ids
from sampan.runtime.images.unpack import UnpackError
from sampan.runtime.images.unpack_process import UnpackWorker

_AT_ONCE = 2  # each keeps two cores busy as it is
_SHARE_OF_FREE_SPACE = 0.95

Report = Callable[[str, str, int], None]  # blob, phase, bytes so far


@dataclass(frozen=True, slots=True)
class _Layer:
    blob: str
    diff_id: str
    chain: Sequence[str]  # down to itself, which comes last

    @property
    def id(self) -> str:
        return self.chain[-1]


class LayerUnpacker:
    def __init__(
        self, content: ContentStore, snapshots: SnapshotStore, limits: Limits, overlays: OverlaySupport
    ) -> None:
        self._content = content
        self._snapshots = snapshots
        self._limits = limits
        self._overlays = overlays
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def unpack(
        self, blobs: Sequence[str], diff_ids: Sequence[str], arrived: Sequence[Awaitable[None]], report: Report
    ) -> list[str]:
        """Make every layer's directory as soon as its blob (and its predecessors) arrived; returns the chain."""
        if len(blobs) != len(diff_ids):
            raise BadDocument(f"mismatched image rootfs and manifest layers: {len(diff_ids)} and {len(blobs)}")
        chain = chain_ids(diff_ids)
        async with UnpackWorker() as worker:
            if any([await blocking(self._snapshots.record, layer) is None for layer in chain]):
                await worker.start()  # while the first layer is on its way
            for position, (blob, ready) in enumerate(zip(blobs, arrived, strict=True)):
                await ready
                layer = _Layer(blob, diff_ids[position], chain[: position + 1])
                if await blocking(self._snapshots.record, layer.id) is None:
                    await self._make(worker, layer, report)
                report(blob, "done", 0)
        await blocking(self._snapshots.settle, chain)
        return chain

    async def _make(self, worker: UnpackWorker, layer: _Layer, report: Report) -> None:
        async with waiting_for(self._snapshots.lock_path(layer.id)) as lock, self._turns:
            if await blocking(self._snapshots.record, layer.id) is not None:
                return  # made while we waited
            report(layer.blob, "unpacking", 0)
            try:
                await self._fill(worker, layer, lock.fd, report)
            except UnpackError as e:
                raise UnpackError(f"failed to extract layer {layer.diff_id}: {e}") from e
            except OSError as e:
                raise OSError(e.errno, f"failed to extract layer {layer.diff_id}: {e.strerror}", e.filename) from e
            finally:
                await worker.rest()  # before its directory goes
                await blocking(self._snapshots.discard, layer.id)  # nothing there after a commit

    async def _fill(self, worker: UnpackWorker, layer: _Layer, lock: int, report: Report) -> None:
        lowers = [self._snapshots.path(below) for below in reversed(layer.chain[:-1])]
        native = await blocking(self._overlays.works)
        limits = await blocking(self._bounded)
        async with _opened(await blocking(self._snapshots.begin, layer.id)) as target:
            result = await worker.unpack(
                self._content.path(layer.blob), target, lowers, limits, lock=lock, native=native,
                progress=lambda read: report(layer.blob, "unpacking", read),
            )  # fmt: skip
        if result.diff_id != layer.diff_id:
            raise UnpackError(f'wrong diff id calculated on extraction "{result.diff_id}"')
        await blocking(self._snapshots.commit, layer.id, layer.diff_id, result.size, result.entries, native=native)

    def _bounded(self) -> Limits:
        """No layer may take the whole disk with it."""
        found = os.statvfs(self._snapshots.layers)
        free = int(found.f_bavail * found.f_frsize * _SHARE_OF_FREE_SPACE)
        return self._limits.within(free)


@asynccontextmanager
async def _opened(path: Path) -> AsyncIterator[int]:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)
