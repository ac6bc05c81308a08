"""The `ImageStore` of a real node: everything of this folder behind the contract.

Several processes may have one store open at once (the agent and a `sampan image` command): what they share is files,
each changed under a lock (see `locks.py`, `leases.py`).
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import msgspec

from sampan.runtime.contract import ImageStore
from sampan.runtime.errors import ImageInUse, ImagePullError
from sampan.runtime.images import gc
from sampan.runtime.images.blocking import blocking
from sampan.runtime.images.content import ContentStore, is_disk_full
from sampan.runtime.images.decompress import Limits
from sampan.runtime.images.disk import clear_leftovers, tree_usage
from sampan.runtime.images.hosts import DEFAULT_HOSTS_DIRS
from sampan.runtime.images.index import ImageIndex, missing
from sampan.runtime.images.layers import LayerUnpacker
from sampan.runtime.images.leases import Lease, Leases
from sampan.runtime.images.manifest import Platform, host_platform
from sampan.runtime.images.merge import copy_layers, fits_one_mount, overlay_works
from sampan.runtime.images.pull import Parts, Pulled, pull
from sampan.runtime.images.reference import LOCAL_REGISTRY, Reference, parse, short_id
from sampan.runtime.images.registry import Registry, Sleep, new_session
from sampan.runtime.images.snapshots import RootfsRecord, SnapshotStore, remove_tree
from sampan.runtime.records import AuthConfig, FsInfo, Image, ProgressCallback, PullProgress, Rootfs


class LocalImageStore(ImageStore):
    def __init__(
        self,
        root: Path,
        *,
        hosts_dirs: Sequence[Path] = DEFAULT_HOSTS_DIRS,
        limits: Limits | None = None,
        platform: Platform | None = None,
        now: Callable[[], float] = time.time,
        sleep: Sleep = asyncio.sleep,
        overlay: bool | None = None,
        owner: str = "node",
    ) -> None:
        """`owner`: whose containers' roots are meant; nodes of one machine may share the images. `overlay`: None tries
        whether it works here."""
        self.root = root
        self.platform = platform or host_platform()
        self.now = now
        self.content = ContentStore(root)
        self.snapshots = SnapshotStore(root, owner)
        self.index = ImageIndex(root)
        self.leases = Leases(root)
        self.parts = Parts(
            self.content, self.snapshots, self.index, LayerUnpacker(self.content, self.snapshots, limits or Limits())
        )
        self._hosts_dirs = hosts_dirs
        self._sleep = sleep
        self._overlay = overlay
        self._session: aiohttp.ClientSession | None = None
        self._pulls: dict[tuple[str, bytes], _SharedPull] = {}
        self._tasks: set[asyncio.Future[Pulled]] = set()  # also of pulls that nobody waits for any more

    # --- opening and closing ---

    async def start(self) -> None:
        await blocking(self._open)

    def _open(self) -> None:
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for part in (self.content, self.snapshots, self.leases):
            part.open()
        (self.root / "used").mkdir(mode=0o700, exist_ok=True)
        clear_leftovers(self.root, self.snapshots, self.leases, self.now())
        self.content.clear_stale(self.now())

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            self._session = None

    @asynccontextmanager
    async def lease(self) -> AsyncIterator[Lease]:
        """Under it nothing that it names is collected."""
        lease = await blocking(self.leases.begin)
        try:
            yield lease
        finally:
            await blocking(lease.end)

    # --- pulling ---

    async def pull(self, ref: str, auth: AuthConfig | None = None, progress: ProgressCallback | None = None) -> Image:
        parsed = parse(ref)
        if parsed.registry == LOCAL_REGISTRY:
            return await self._own(parsed)
        # Credentials are part of what is asked for: nobody gets an image with another's.
        key = (str(parsed), hashlib.sha256(msgspec.json.encode(auth)).digest())
        shared = self._pulls.get(key)
        if shared is None:
            shared = self._pulls[key] = _SharedPull()
            shared.task = asyncio.ensure_future(self._pull(ref, auth, shared))
            self._tasks.add(shared.task)
            shared.task.add_done_callback(self._tasks.discard)
        try:
            pulled = await shared.join(progress)
        finally:
            if self._pulls.get(key) is shared and (shared.task.done() or shared.abandoned):
                del self._pulls[key]
        state = await blocking(self.index.read)
        return state.image(pulled.id)

    async def _own(self, ref: Reference) -> Image:
        image = await self.status(str(ref))
        if image is None:
            where = f'failed to pull and unpack image "{ref}": failed to resolve reference "{ref}"'
            raise ImagePullError(f"{where}: {ref}: not found")
        return image

    async def _pull(self, ref: str, auth: AuthConfig | None, shared: _SharedPull) -> Pulled:
        parsed = parse(ref)
        if self._session is None:
            self._session = new_session()
        registry = Registry(self._session, parsed, auth, self._hosts_dirs, self._sleep)
        try:
            async with self.lease() as lease:
                return await pull(registry, parsed, self.parts, lease, self.platform, self.now(), shared.tell)
        except ImagePullError as e:
            if e.__cause__ is not None and is_disk_full(e.__cause__):
                await blocking(self.give_back)
            raise

    def give_back(self) -> None:
        """The disk is full: drop what did not become an image, at the price of fetching it again."""
        self.content.clear_stale(self.now(), older_than=0)
        self.sweep()

    # --- what is here ---

    async def list_images(self) -> list[Image]:
        state = await blocking(self.index.read)
        return [state.image(found) for found in state.images]

    async def status(self, ref: str) -> Image | None:
        """Raises InvalidImageName for what could never be here."""
        state = await blocking(self.index.read)
        found = state.find(ref)
        if found is None and not short_id(ref):
            parse(ref)
        return None if found is None else state.image(found)

    async def fs_info(self) -> FsInfo:
        def measure() -> FsInfo:
            layers = self.snapshots.chains().values()
            blobs = sum(self.content.size(digest) or 0 for digest in self.content.digests())
            return FsInfo(
                path=str(self.root), at=time.time_ns(), used_bytes=blobs + sum(layer.size for layer in layers),
                used_inodes=sum(layer.inodes for layer in layers),
            )  # fmt: skip

        return await blocking(measure)

    # --- names and removal ---

    async def tag(self, ref: str, new: str) -> None:
        target = parse(new)

        def change() -> None:
            with self.index.change() as state:
                found = state.find(ref)
                if found is None:
                    raise missing(ref)
                state.names[target.tagged] = found

        await blocking(change)

    async def remove(self, ref: str) -> None:
        await blocking(self._remove, ref)
        await blocking(self.sweep)

    def _remove(self, ref: str) -> None:
        with self.leases.gate(), self.index.change() as state:
            found = state.find(ref)
            if found is None:
                raise missing(ref)
            users = [name for name, record in self.snapshots.rootfs_records().items() if record.image == found]
            named = state.find_name(ref) if ref not in state.images else None
            if named is not None:
                state.untag(named[0])
            if named is None or not state.named(found):
                if users:
                    raise ImageInUse(f'image "{ref}" is in use by container {", ".join(sorted(users)[:3])}')
                state.drop(found)
                self._used_mark(found).unlink(missing_ok=True)

    def sweep(self) -> int:
        """Blocks."""
        return gc.sweep(self.content, self.snapshots, self.index, self.leases)

    async def prune(self, *, everything: bool = False) -> tuple[list[str], int]:
        """Remove unused images, without `everything` only those without a tag; the ids that went, and bytes freed."""

        def wanted(image: Image) -> bool:
            return everything or not image.repo_tags

        return await self._collect([image.id for image in await self.list_images() if wanted(image)], None)

    async def collect(self, thresholds: gc.Thresholds | None = None) -> tuple[list[str], int]:
        """When the disk is fuller than it may be: remove unused images, the longest unused first, until it is not."""
        limits = thresholds or gc.Thresholds()
        disk = await blocking(os.statvfs, self.root)
        need = gc.bytes_to_free(disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize, limits)
        if need <= 0:
            return [], 0
        freed = await blocking(self.sweep)
        if freed >= need:
            return [], freed
        candidates = await blocking(self._candidates)
        gone, more = await self._collect(gc.removable(candidates, self.now(), limits.min_age), need - freed)
        return gone, freed + more

    async def _collect(self, ids: Sequence[str], need: int | None) -> tuple[list[str], int]:
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
        state = self.index.read()
        in_use = gc.images_in_use(self.snapshots.rootfs_records())
        return [
            gc.Candidate(found, self._last_used(found), record.stored_at, found in in_use, found in state.pinned)
            for found, record in state.images.items()
        ]

    def _used_mark(self, found: str) -> Path:
        return self.root / "used" / found.replace(":", "-")

    def _last_used(self, found: str) -> float:
        try:
            return self._used_mark(found).stat().st_mtime
        except FileNotFoundError:
            return 0.0

    # --- roots of containers ---

    async def prepare_rootfs(self, image_id: str, container_id: str) -> Rootfs:
        return await blocking(self._prepare, image_id, container_id)

    def _prepare(self, image_ref: str, container_id: str) -> Rootfs:
        folder = self.snapshots.container(container_id)
        record = self.snapshots.rootfs_record(container_id)
        if record is None:
            record = self._begin_rootfs(image_ref, folder)
        lower = [self.snapshots.path(layer) for layer in reversed(record.chain)]
        if record.copied:
            return Rootfs(path=str(self._copied(folder, lower)))
        for name in ("upper", "work"):
            (folder / name).mkdir(mode=0o755, exist_ok=True)
        if not (folder / "ready").exists():
            _copy_owner_and_mode(lower[0], folder / "upper")
            (folder / "ready").touch()
        return Rootfs(lower=[str(p) for p in lower], upper=str(folder / "upper"), work=str(folder / "work"))

    def _begin_rootfs(self, image_ref: str, folder: Path) -> RootfsRecord:
        with self.leases.gate():
            state = self.index.read()
            found = state.find(image_ref)
            if found is None:
                raise missing(image_ref)
            chain = state.images[found].chain
            lower = [self.snapshots.path(layer) for layer in reversed(chain)]
            copied = not self._overlays() or not lower or not fits_one_mount(lower, folder / "upper", self.root)
            record = RootfsRecord(image=found, chain=chain, copied=copied)
            self.snapshots.add_container(folder, record)
        mark = self._used_mark(found)
        mark.touch()
        os.utime(mark, (self.now(), self.now()))
        return record

    def _overlays(self) -> bool:
        if self._overlay is None:
            self._overlay = overlay_works(self.root)
        return self._overlay

    def _copied(self, folder: Path, lower: Sequence[Path]) -> Path:
        target = folder / "root"
        if not target.exists():
            half_made = folder / "root.new"
            remove_tree(half_made)
            copy_layers(lower, half_made)
            half_made.rename(target)
        return target

    async def remove_rootfs(self, container_id: str) -> None:
        def remove() -> None:
            folder = self.snapshots.container(container_id)
            for name in ("upper", "work", "root", "root.new"):
                remove_tree(folder / name)
            remove_tree(folder)  # the record last: until here the image is in use

        await blocking(remove)

    async def list_rootfs(self) -> list[str]:
        return await blocking(lambda: sorted(path.name for path in self.snapshots.containers.iterdir()))

    async def rootfs_usage(self, container_id: str) -> FsInfo:
        def measure() -> FsInfo:
            folder = self.snapshots.container(container_id)
            own = folder / "upper" if (folder / "upper").is_dir() else folder / "root"
            used, inodes = tree_usage(own)
            return FsInfo(path=str(own), at=time.time_ns(), used_bytes=used, used_inodes=inodes)

        return await blocking(measure)


class _SharedPull:
    """One pull that any number of callers wait for. It ends early only when the last of them gave up."""

    task: asyncio.Future[Pulled]

    def __init__(self) -> None:
        self._listeners: list[ProgressCallback] = []
        self._waiting = 0

    @property
    def abandoned(self) -> bool:
        return not self._waiting

    def tell(self, step: PullProgress) -> None:
        for listener in self._listeners:
            listener(step)

    async def join(self, progress: ProgressCallback | None) -> Pulled:
        if progress is not None:
            self._listeners.append(progress)
        self._waiting += 1
        try:
            return await asyncio.shield(self.task)
        finally:
            self._waiting -= 1
            if progress is not None:
                self._listeners.remove(progress)
            if not self._waiting and not self.task.done():
                self.task.cancel()


def _copy_owner_and_mode(source: Path, target: Path) -> None:
    """An overlay's root shows its upper directory's own look."""
    status = source.stat()
    os.chown(target, status.st_uid, status.st_gid)
    target.chmod(status.st_mode & 0o7777)
