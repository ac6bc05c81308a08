"""What may go: blobs and layers that no image, container or running pull needs; and, when the disk fills, unused
images.

The decisions are pure functions; `sweep` does the first kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sampan.runtime.images.content import ContentStore
from sampan.runtime.images.index import ImageIndex, State
from sampan.runtime.images.leases import Leases
from sampan.runtime.images.snapshots import RootfsRecord, SnapshotStore, remove_tree


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Collection begins at `high` percent of the disk in use and ends at `low`, as the kubelet's settings of these
    names have it; images younger than `min_age` seconds stay."""

    high: int = 85
    low: int = 80
    min_age: float = 120.0


@dataclass(frozen=True, slots=True)
class Candidate:
    id: str
    last_used: float
    stored_at: float
    in_use: bool = False
    pinned: bool = False


def bytes_to_free(capacity: int, available: int, thresholds: Thresholds) -> int:
    """0 while usage is under the high threshold."""
    if capacity <= 0 or (capacity - available) * 100 < thresholds.high * capacity:
        return 0
    return max(0, capacity * (100 - thresholds.low) // 100 - available)


def removable(candidates: Iterable[Candidate], now: float, min_age: float) -> list[str]:
    """Images that may go, the longest unused first."""
    free = [c for c in candidates if not c.in_use and not c.pinned and now - c.stored_at >= min_age]
    return [c.id for c in sorted(free, key=lambda c: (c.last_used, c.stored_at, c.id))]


def needed_blobs(state: State) -> set[str]:
    needed = set(state.images)
    for record in state.images.values():
        needed.add(record.manifest.digest)
        needed.update(record.layers)
    return needed


def needed_chains(state: State, containers: Mapping[str, RootfsRecord]) -> set[str]:
    needed = {chain for record in state.images.values() for chain in record.chain}
    return needed | {chain for record in containers.values() for chain in record.chain}


def images_in_use(containers: Mapping[str, RootfsRecord]) -> set[str]:
    return {record.image for record in containers.values()}


def sweep(content: ContentStore, snapshots: SnapshotStore, index: ImageIndex, leases: Leases) -> int:
    """Remove what nothing needs; returns the bytes freed. Blocks."""
    freed = 0
    trash = []
    with leases.gate():
        leased = leases.needed()  # before the index: a pull that ends now has its record written first
        state = index.read()
        keep = needed_chains(state, snapshots.rootfs_records()) | leased
        for chain, layer in snapshots.chains().items():
            if chain not in keep and (gone := snapshots.take_away(chain)) is not None:
                trash.append(gone)
                freed += layer.size
        keep = needed_blobs(state) | leased
        for digest in content.digests():
            if digest not in keep:
                freed += content.remove(digest)
    for path in trash:
        remove_tree(path)
    return freed
