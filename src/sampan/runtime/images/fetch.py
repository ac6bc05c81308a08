"""Getting one image here: its manifest for this platform, its configuration, and its layers, downloaded side by side
and unpacked as they arrive."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sampan.runtime.errors import ImagePullError
from sampan.runtime.images.blocking import blocking
from sampan.runtime.images.content import BlobMissing, ContentStore
from sampan.runtime.images.download import download
from sampan.runtime.images.faults import RegistryError
from sampan.runtime.images.index import ImageIndex, ImageRecord
from sampan.runtime.images.layers import LayerUnpacker
from sampan.runtime.images.leases import Lease
from sampan.runtime.images.manifest import (
    INDEXES,
    MAX_DOCUMENT,
    BadDocument,
    ConfigFile,
    Descriptor,
    Index,
    Manifest,
    Platform,
    choose,
    decode,
    media_type,
)
from sampan.runtime.images.registry import Registry
from sampan.runtime.images.snapshots import SnapshotStore, chain_ids
from sampan.runtime.records import ProgressCallback, PullProgress

_PARALLEL_DOWNLOADS = 3
_MAX_NESTING = 4


@dataclass(frozen=True, slots=True)
class Parts:
    """Where a pull (or a load) puts things."""

    content: ContentStore
    snapshots: SnapshotStore
    index: ImageIndex
    unpacker: LayerUnpacker


class Fetch:
    def __init__(
        self, registry: Registry, parts: Parts, lease: Lease, platform: Platform, tell: ProgressCallback
    ) -> None:
        self._registry = registry
        self._parts = parts
        self._lease = lease
        self._platform = platform
        self._tell = tell
        self._turns = asyncio.Semaphore(_PARALLEL_DOWNLOADS)

    async def image(self, target: Descriptor, now: float) -> tuple[str, ImageRecord]:
        """The image's id, and the record to be made of it. Everything it needs is here then, under the lease."""
        descriptor, manifest = await self._manifest(target)
        config = await self._config(manifest)
        chain = await self._layers(manifest, config)
        return manifest.config.digest, image_record(descriptor, manifest, config, chain, now)

    async def _manifest(self, target: Descriptor) -> tuple[Descriptor, Manifest]:
        """Follow indexes down to this platform's manifest."""
        for _ in range(_MAX_NESTING):
            raw = await self._document(target)
            kind = media_type(raw, target.media_type)
            if kind not in INDEXES:
                await blocking(self._parts.content.add, raw, self._lease.add)
                manifest = decode(raw, Manifest, target.digest)
                await blocking(self._lease.add, [blob.digest for blob in (manifest.config, *manifest.layers)])
                return Descriptor(media_type=kind, digest=target.digest, size=len(raw)), manifest
            target = choose(decode(raw, Index, target.digest), self._platform)
        raise BadDocument("indexes are nested too deep")

    async def _document(self, target: Descriptor) -> bytes:
        await blocking(self._lease.add, [target.digest])
        try:
            raw = await blocking(self._parts.content.read, target.digest)
        except BlobMissing:
            raw = await self._registry.manifest(target)
        if target.size > 0 and target.size != len(raw):  # some registries tell no length for a HEAD
            raise BadDocument(f"unexpected size of {target.digest}: {len(raw)}, expected {target.size}")
        return raw

    async def _config(self, manifest: Manifest) -> ConfigFile:
        digest = manifest.config.digest
        if manifest.config.size > MAX_DOCUMENT:
            raise BadDocument(f"config {digest} is larger than the {MAX_DOCUMENT} bytes allowed")
        await self._blob(manifest.config)
        config = decode(await blocking(self._parts.content.read, digest), ConfigFile, digest)
        check_runnable(config, manifest, self._platform)
        await blocking(self._lease.add, chain_ids(config.rootfs.diff_ids))
        return config

    async def _layers(self, manifest: Manifest, config: ConfigFile) -> list[str]:
        sizes = {blob.digest: blob.size for blob in manifest.layers}

        def unpacking(digest: str, phase: str, current: int) -> None:
            total = sizes[digest]
            self._tell(
                PullProgress(digest=digest, phase=phase, current=total if phase == "done" else current, total=total)
            )

        downloads = {blob.digest: asyncio.ensure_future(self._blob(blob)) for blob in manifest.layers}
        layers = [blob.digest for blob in manifest.layers]
        arrivals = [asyncio.shield(downloads[digest]) for digest in layers]
        unpacking_all = asyncio.ensure_future(
            self._parts.unpacker.unpack(layers, config.rootfs.diff_ids, arrivals, unpacking)
        )
        try:
            return await _first_error(unpacking_all, list(downloads.values()))
        finally:
            work = (unpacking_all, *downloads.values())
            for task in work:
                task.cancel()
            await asyncio.gather(*work, *arrivals, return_exceptions=True)

    async def _blob(self, blob: Descriptor) -> None:
        def report(phase: str, current: int) -> None:
            self._tell(PullProgress(digest=blob.digest, phase=phase, current=current, total=blob.size))

        report("waiting", 0)
        async with self._turns:
            try:
                await download(self._registry, self._parts.content, blob, report)
            except RegistryError as e:
                raise reworded(e, "failed to copy: httpReadSeeker: failed open") from e


async def _first_error(main: asyncio.Future[list[str]], downloads: Sequence[asyncio.Future[None]]) -> list[str]:
    """The unpacking's result; or the first download's error at once, not only when its layer's turn comes."""
    waiting: set[asyncio.Future[Any]] = {main, *downloads}
    while not main.done():
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    return main.result()


def check_runnable(config: ConfigFile, manifest: Manifest, platform: Platform) -> None:
    if not config.rootfs.diff_ids and manifest.layers:
        raise BadDocument(f"{manifest.config.media_type or 'artifact'} is not an image that can be run")
    if config.os and config.os != platform.os:
        raise BadDocument(f"no match for platform in manifest: image is for {config.os}: not found")
    if config.architecture and config.architecture != platform.architecture:
        ours = {platform.architecture, "386" if platform.architecture == "amd64" else platform.architecture}
        if config.architecture not in ours:
            raise BadDocument(
                f"no match for platform in manifest: image is for {config.os}/{config.architecture}: not found"
            )


def image_record(
    descriptor: Descriptor, manifest: Manifest, config: ConfigFile, chain: Sequence[str], now: float
) -> ImageRecord:
    return ImageRecord(
        manifest=descriptor,
        config=config.image_config(),
        layers=[blob.digest for blob in manifest.layers],
        chain=list(chain),
        size=descriptor.size + sum({blob.digest: blob.size for blob in (manifest.config, *manifest.layers)}.values()),
        created=config.created or "",
        stored_at=now,
    )


def reworded(error: ImagePullError, before: str) -> ImagePullError:
    """The same kind of error with more in front; kinds that carry data become plain ones, which nobody asks any
    more."""
    return ImagePullError(f"{before}: {error}")
