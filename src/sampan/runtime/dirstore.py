"""Directories as images: the smallest ImageStore, for tests and for trying the runtime without a registry.

An image is a directory registered under a name; a container's root is an overlay on it (or, where overlays are refused,
a copy). Nothing can be pulled.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import time

from sampan.runtime.contract import ImageStore
from sampan.runtime.errors import ImagePullError, NotFound
from sampan.runtime.records import AuthConfig, FsInfo, Image, ImageConfig, ProgressCallback, Rootfs


class DirectoryImageStore(ImageStore):
    """Give it the place for the containers' own layers, then `add` images."""

    def __init__(self, path: str, *, overlay: bool = True) -> None:
        self.path = path
        self.overlay = overlay
        self._images: dict[str, tuple[Image, str]] = {}

    def add(self, ref: str, directory: str, config: ImageConfig | None = None) -> Image:
        digest = "sha256:" + hashlib.sha256(f"{ref}\0{directory}".encode()).hexdigest()
        image = Image(id=digest, repo_tags=[ref], repo_digests=[f"{ref.partition(':')[0]}@{digest}"], size=1,
                      config=config or ImageConfig())  # fmt: skip
        self._images[ref] = (image, directory)
        return image

    async def start(self) -> None:
        os.makedirs(self.path, exist_ok=True)

    async def close(self) -> None:
        return None

    async def pull(
        self, ref: str, auth: AuthConfig | None = None, progress: ProgressCallback | None = None
    ) -> Image:
        image = await self.status(ref)
        if image is None:
            raise ImagePullError(f'failed to pull "{ref}": directories cannot be pulled')
        return image

    async def list_images(self) -> list[Image]:
        return [image for image, _ in self._images.values()]

    async def status(self, ref: str) -> Image | None:
        found = self._find(ref)
        return found[0] if found else None

    def _find(self, ref: str) -> tuple[Image, str] | None:
        return next(
            (pair for name, pair in self._images.items() if ref in (name, pair[0].id, *pair[0].repo_digests)), None
        )

    async def remove(self, ref: str) -> None:
        for name in [name for name, (image, _) in self._images.items() if ref in (name, image.id)]:
            del self._images[name]

    async def fs_info(self) -> FsInfo:
        return FsInfo(path=self.path, at=time.time_ns())

    async def prepare_rootfs(self, image_id: str, container_id: str) -> Rootfs:
        found = self._find(image_id)
        if found is None:
            raise NotFound(f"image {image_id} is not here")
        place = f"{self.path}/{container_id}"
        if not self.overlay:
            await asyncio.to_thread(shutil.copytree, found[1], f"{place}/root", symlinks=True, dirs_exist_ok=True)
            return Rootfs(path=f"{place}/root")
        for name in ("upper", "work"):
            os.makedirs(f"{place}/{name}", exist_ok=True)
        return Rootfs(lower=[found[1]], upper=f"{place}/upper", work=f"{place}/work")

    async def remove_rootfs(self, container_id: str) -> None:
        await asyncio.to_thread(shutil.rmtree, f"{self.path}/{container_id}", ignore_errors=True)

    async def list_rootfs(self) -> list[str]:
        return await asyncio.to_thread(os.listdir, self.path)

    async def rootfs_usage(self, container_id: str) -> FsInfo:
        return await asyncio.to_thread(self._usage, f"{self.path}/{container_id}/upper")

    def _usage(self, path: str) -> FsInfo:
        info = FsInfo(path=path, at=time.time_ns())
        for where, folders, files in os.walk(path):
            for name in folders + files:
                found = os.lstat(os.path.join(where, name))
                info.used_bytes += found.st_blocks * 512
                info.used_inodes += 1
        return info
