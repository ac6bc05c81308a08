"""Removes images that no container uses, when the node needs the room."""

import logging

from sampan.runtime.contract import Image, ImageInUse, Runtime, RuntimeFault

log = logging.getLogger(__name__)


class ImageCollector:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def collect(self) -> int:
        """Removes what nobody uses; how many bytes that may have given."""
        used = {c.image_id for c in await self._runtime.list_containers()}
        freed = 0
        for image in unused(await self._runtime.list_images(), used):
            try:
                await self._runtime.remove_image(image.id)
            except ImageInUse:
                continue
            except RuntimeFault as error:
                log.info("image %s stays: %s", image.id, error)
                continue
            freed += image.size
            log.info("image %s (%s) is removed: nobody uses it and the disk is full", image.id, image.repo_tags)
        return freed


def unused(images: list[Image], used: set[str]) -> list[Image]:
    """The largest first."""
    return sorted((i for i in images if i.id not in used and not i.pinned), key=lambda i: i.size, reverse=True)
