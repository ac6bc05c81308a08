"""A pull, from a name to layers on disk. `pull` below is the story; each step is a file of its own.

A killed pull leaves complete blobs, complete layers and half a blob that the next one continues, and no image: the
record is written last. Errors are worded as containerd words them, outermost first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from sampan.runtime.errors import ImagePullError
from sampan.runtime.images.blocking import blocking
from sampan.runtime.images.content import BlobMissing, ContentStore, is_disk_full
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
from sampan.runtime.images.reference import Reference
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


@dataclass(frozen=True, slots=True)
class Pulled:
    id: str
    digest: str  # what the name stood for: of the index where there is one


async def pull(
    registry: Registry, ref: Reference, parts: Parts, lease: Lease, platform: Platform, now: float,
    progress: ProgressCallback | None = None,
) -> Pulled:  # fmt: skip
    """Fetch, unpack, record. Raises ImagePullError."""
    tell = progress or (lambda _: None)
    wrapped = f'failed to pull and unpack image "{ref}"'
    try:
        tell(PullProgress(phase="resolving"))
        try:
            await registry.open()
            target = await registry.resolve()
        except ImagePullError as e:
            raise _reworded(e, f'{wrapped}: failed to resolve reference "{ref}"') from e
        known = await blocking(_known, parts, ref, target.digest, lease)
        if known is None:
            known = await _fetch(registry, target, parts, lease, platform, now, tell)
        image_id, record = known
        await blocking(_record, parts.index, ref, target.digest, image_id, record)
        tell(PullProgress(phase="done", digest=image_id))
        return Pulled(image_id, target.digest)
    except ImagePullError as e:
        raise e if str(e).startswith(wrapped) else _reworded(e, wrapped) from e
    except OSError as e:
        where = f"{e.filename}: " if e.filename else ""
        why = "no space left on device" if is_disk_full(e) else (e.strerror or str(e))
        raise ImagePullError(f"{wrapped}: {where}{why}") from e


async def _fetch(
    registry: Registry, target: Descriptor, parts: Parts, lease: Lease, platform: Platform, now: float,
    tell: ProgressCallback,
) -> tuple[str, ImageRecord]:  # fmt: skip
    descriptor, manifest = await _manifest(registry, target, parts, lease, platform)
    wanted = (manifest.config, *manifest.layers)
    await blocking(lease.add, [descriptor.digest, *(blob.digest for blob in wanted)])
    if manifest.config.size > MAX_DOCUMENT:
        raise BadDocument(f"config {manifest.config.digest} is larger than the {MAX_DOCUMENT} bytes allowed")

    turns = asyncio.Semaphore(_PARALLEL_DOWNLOADS)

    async def bring(blob: Descriptor) -> None:
        def report(phase: str, current: int) -> None:
            tell(PullProgress(digest=blob.digest, phase=phase, current=current, total=blob.size))

        report("waiting", 0)
        async with turns:
            try:
                await download(registry, parts.content, blob, report)
            except RegistryError as e:
                raise _reworded(e, "failed to copy: httpReadSeeker: failed open") from e

    def unpacking(digest: str, phase: str, current: int) -> None:
        total = next(blob.size for blob in manifest.layers if blob.digest == digest)
        tell(PullProgress(digest=digest, phase=phase, current=total if phase == "done" else current, total=total))

    await bring(manifest.config)
    config = decode(await blocking(parts.content.read, manifest.config.digest), ConfigFile, manifest.config.digest)
    check_runnable(config, manifest, platform)
    await blocking(lease.add, chain_ids(config.rootfs.diff_ids))
    downloads = {blob.digest: asyncio.ensure_future(bring(blob)) for blob in manifest.layers}
    layers = [blob.digest for blob in manifest.layers]
    arrivals = [asyncio.shield(downloads[digest]) for digest in layers]
    try:
        chain = await _first_error(
            parts.unpacker.unpack(layers, config.rootfs.diff_ids, arrivals, unpacking), list(downloads.values())
        )
    finally:
        for task in downloads.values():
            task.cancel()
        await asyncio.gather(*downloads.values(), *arrivals, return_exceptions=True)
    return manifest.config.digest, image_record(descriptor, manifest, config, chain, now)


async def _first_error(work: Coroutine[Any, Any, list[str]], downloads: Sequence[asyncio.Future[None]]) -> list[str]:
    """The unpacking's result; or the first download's error at once, not only when its layer's turn comes."""
    main = asyncio.ensure_future(work)
    waiting: set[asyncio.Future[Any]] = {main, *downloads}
    try:
        while not main.done():
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        return main.result()
    finally:
        main.cancel()
        await asyncio.gather(main, return_exceptions=True)


async def _manifest(
    registry: Registry, target: Descriptor, parts: Parts, lease: Lease, platform: Platform
) -> tuple[Descriptor, Manifest]:
    """Follow indexes down to this platform's manifest."""
    for _ in range(_MAX_NESTING):
        await blocking(lease.add, [target.digest])
        try:
            raw = await blocking(parts.content.read, target.digest)
        except BlobMissing:
            raw = await registry.manifest(target)
        if _differs_in_size(target, raw):
            raise BadDocument(f"unexpected size of {target.digest}: {len(raw)}, expected {target.size}")
        kind = media_type(raw, target.media_type)
        if kind not in INDEXES:
            await blocking(parts.content.add, raw, lease.add)
            return Descriptor(media_type=kind, digest=target.digest, size=len(raw)), decode(
                raw, Manifest, target.digest
            )
        target = choose(decode(raw, Index, target.digest), platform)
    raise BadDocument("indexes are nested too deep")


def _differs_in_size(target: Descriptor, raw: bytes) -> bool:
    """Some registries tell no length for a HEAD; then the digest alone has to do."""
    return target.size > 0 and target.size != len(raw)


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


def _known(parts: Parts, ref: Reference, digest: str, lease: Lease) -> tuple[str, ImageRecord] | None:
    """The image, if it is here as a whole under this digest already (the name may be new to it)."""
    state = parts.index.read()
    for found, record in state.images.items():
        if record.manifest.digest != digest and state.digests.get(ref.with_digest(digest)) != found:
            continue
        blobs = [found, record.manifest.digest, *record.layers]
        lease.add([*blobs, *record.chain])  # somebody may be removing it right now
        if all(parts.snapshots.record(chain) is not None for chain in record.chain) and all(
            parts.content.has(blob) for blob in blobs
        ):
            return found, record
    return None


def _record(index: ImageIndex, ref: Reference, digest: str, image_id: str, record: ImageRecord) -> None:
    with index.change() as state:
        state.add(image_id, record, [ref], digest)


def _reworded(error: ImagePullError, before: str) -> ImagePullError:
    """The same kind of error with more in front; kinds that carry data become plain ones, which nobody asks any
    more."""
    return ImagePullError(f"{before}: {error}")
