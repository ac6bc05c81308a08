"""A pull, from a name to layers on disk. `pull` below is the story; each step is a file of its own.

A killed pull leaves complete blobs, complete layers and half a blob that the next one continues, and no image: the
record is written last. Errors are worded as containerd words them, outermost first.
"""

from __future__ import annotations

from dataclasses import dataclass

from sampan.runtime.errors import ImagePullError
from sampan.runtime.images.blocking import blocking
from sampan.runtime.images.content import is_disk_full
from sampan.runtime.images.fetch import Fetch, Parts, reworded
from sampan.runtime.images.index import ImageIndex, ImageRecord
from sampan.runtime.images.leases import Lease
from sampan.runtime.images.manifest import Platform
from sampan.runtime.images.reference import Reference
from sampan.runtime.images.registry import Registry
from sampan.runtime.records import ProgressCallback, PullProgress


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
            raise reworded(e, f'{wrapped}: failed to resolve reference "{ref}"') from e
        known = await blocking(_known, parts, ref, target.digest, lease)
        if known is None:
            known = await Fetch(registry, parts, lease, platform, tell).image(target, now)
        image_id, record = known
        await blocking(_record, parts.index, ref, target.digest, image_id, record)
        tell(PullProgress(phase="done", digest=image_id))
        return Pulled(image_id, target.digest)
    except ImagePullError as e:
        raise e if str(e).startswith(wrapped) else reworded(e, wrapped) from e
    except OSError as e:
        where = f"{e.filename}: " if e.filename else ""
        why = "no space left on device" if is_disk_full(e) else (e.strerror or str(e))
        raise ImagePullError(f"{wrapped}: {where}{why}") from e


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
