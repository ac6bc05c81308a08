"""The `ImageStore` of a real node: everything of this folder behind the contract.

Several processes may have one store open at once (the agent and a `sampan image` command): what they share is files,
each changed under a lock (see `locks.py`, `leases.py`).
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import msgspec

from sampan.runtime.contract import ImageStore
from sampan.runtime.errors import ImagePullError
from sampan.runtime.images.blocking import blocking
from sampan.runtime.images.collector import Collector
from sampan.runtime.images.content import ContentStore, is_disk_full
from sampan.runtime.images.decompress import Limits
from sampan.runtime.images.disk import clear_leftovers
from sampan.runtime.images.fetch import Parts
from sampan.runtime.images.gc import Thresholds
from sampan.runtime.images.hosts import DEFAULT_HOSTS_DIRS
from sampan.runtime.images.index import ImageIndex, missing
from sampan.runtime.images.layers import LayerUnpacker
from sampan.runtime.images.leases import Lease, Leases
from sampan.runtime.images.manifest import Platform, host_platform
from sampan.runtime.images.merge import OverlaySupport
from sampan.runtime.images.pull import Pulled, pull
from sampan.runtime.images.reference import LOCAL_REGISTRY, Reference, parse, short_id
from sampan.runtime.images.registry import Registry, Sleep, new_session
from sampan.runtime.images.roots import ContainerRoots
from sampan.runtime.images.shared_pull import SharedPull
from sampan.runtime.images.snapshots import SnapshotStore
from sampan.runtime.records import AuthConfig, FsInfo, Image, ProgressCallback, Rootfs


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
        collect_every: float = 0,
        thresholds: Thresholds | None = None,
    ) -> None:
        """`owner`: whose containers' roots are meant; nodes of one machine may share the images. `overlay`: None tries
        whether it works here. `collect_every`: seconds between looks at how full the disk is; 0: never by itself."""
        self.root = root
        self.platform = platform or host_platform()
        self.now = now
        self.content = ContentStore(root)
        self.snapshots = SnapshotStore(root, owner)
        self.index = ImageIndex(root)
        self.leases = Leases(root)
        overlays = OverlaySupport(root, overlay)
        unpacker = LayerUnpacker(self.content, self.snapshots, limits or Limits(), overlays)
        self.parts = Parts(self.content, self.snapshots, self.index, unpacker)
        self.roots = ContainerRoots(root, self.snapshots, self.index, self.leases, overlays, now)
        self.collector = Collector(
            self.content, self.snapshots, self.index, self.leases, self.roots, thresholds or Thresholds(), now
        )
        self._hosts_dirs = hosts_dirs
        self._sleep = sleep
        self._collect_every = collect_every
        self._collecting: asyncio.Task[None] | None = None
        self._session: aiohttp.ClientSession | None = None
        self._pulls: dict[tuple[str, bytes], SharedPull] = {}
        self._tasks: set[asyncio.Future[Pulled]] = set()  # also of pulls that nobody waits for any more

    # --- opening and closing ---

    async def start(self) -> None:
        await blocking(self._open)
        if self._collect_every > 0 and self._collecting is None:
            work = self.collector.keep_collecting(self._collect_every, self._sleep)
            self._collecting = asyncio.get_running_loop().create_task(work)

    def _open(self) -> None:
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for part in (self.content, self.snapshots, self.leases, self.roots):
            part.open()
        clear_leftovers(self.root, self.snapshots, self.leases, self.now())
        self.content.clear_stale(self.now())

    async def close(self) -> None:
        if self._collecting is not None:
            self._collecting.cancel()
            await asyncio.gather(self._collecting, return_exceptions=True)
            self._collecting = None
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
            shared = self._pulls[key] = SharedPull()
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

    async def _pull(self, ref: str, auth: AuthConfig | None, shared: SharedPull) -> Pulled:
        parsed = parse(ref)
        if self._session is None:
            self._session = new_session()
        registry = Registry(self._session, parsed, auth, self._hosts_dirs, self._sleep)
        try:
            async with self.lease() as lease:
                return await pull(registry, parsed, self.parts, lease, self.platform, self.now(), shared.tell)
        except ImagePullError as e:
            if e.__cause__ is not None and is_disk_full(e.__cause__):
                await blocking(self.collector.give_back)
            raise

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
        await self.collector.remove(ref)

    async def prune(self, *, everything: bool = False) -> tuple[list[str], int]:
        """Remove unused images, without `everything` only those without a tag; the ids that went, and bytes freed."""
        images = await self.list_images()
        return await self.collector.remove_all([i.id for i in images if everything or not i.repo_tags])

    # --- roots of containers ---

    async def prepare_rootfs(self, image_id: str, container_id: str) -> Rootfs:
        return await blocking(self.roots.prepare, image_id, container_id)

    async def remove_rootfs(self, container_id: str) -> None:
        await blocking(self.roots.remove, container_id)

    async def list_rootfs(self) -> list[str]:
        return await blocking(self.roots.names)

    async def rootfs_usage(self, container_id: str) -> FsInfo:
        return await blocking(self.roots.usage, container_id)
