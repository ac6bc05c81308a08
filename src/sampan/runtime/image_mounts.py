"""Images that a container mounts beside its own: each is laid out as a root of the container's (so it is in use, and
goes with the container) and mounted read-only."""

from __future__ import annotations

import os

from msgspec.structs import replace

from sampan.runtime.contract import ImageStore
from sampan.runtime.errors import CreateError
from sampan.runtime.images.shown import shown_digest
from sampan.runtime.records import IdMapping, Rootfs
from sampan.runtime.rootfs import mount_rootfs
from sampan.runtime.state import ContainerRecord

_BETWEEN = "."  # not in a container's id


def names(record: ContainerRecord) -> list[str]:
    """What the image store knows these roots by."""
    return [_name(record.id, number) for number, mount in enumerate(record.config.mounts) if mount.image]


def _name(container_id: str, number: int) -> str:
    return f"{container_id}{_BETWEEN}{number}"


def container_of(name: str) -> str:
    """Whose root it is, by the image store's name of it."""
    return name.partition(_BETWEEN)[0]


async def lay_out(images: ImageStore, record: ContainerRecord) -> dict[int, Rootfs]:
    """By the mount's number; the record's mounts say from now on which image exactly."""
    mounts, found = list(record.config.mounts), {}
    for number, mount in enumerate(mounts):
        if not mount.image:
            continue
        image = await images.status(mount.image)
        if image is None:
            raise CreateError(f"image {mount.image!r} for {mount.container_path!r} is not on this node")
        mounts[number] = replace(mount, image_ref=shown_digest(mount.image, image), readonly=True)
        found[number] = await images.prepare_rootfs(image.id, _name(record.id, number))
    if found:
        record.config = replace(record.config, mounts=mounts)
    return found


def mount(
    record: ContainerRecord, laid_out: dict[int, Rootfs], folder: str, ids: IdMapping | None = None, userns: int = -1
) -> None:
    """Blocks."""
    mounts = list(record.config.mounts)
    for number, root in laid_out.items():
        os.makedirs(folder, 0o755, exist_ok=True)
        at = mount_rootfs(root, f"{folder}/{number}.image", ids, userns)
        mounts[number] = replace(mounts[number], host_path=at)
    record.config = replace(record.config, mounts=mounts)
