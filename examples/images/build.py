"""Builds the images that the examples use into a cluster's image store, from this host's busybox alone:

    sudo .venv/bin/python examples/images/build.py [CLUSTER]
"""

import asyncio
import sys

from sampan.cluster.image_commands import human_size, images_root
from sampan.cluster.paths import DEFAULT_NAME
from sampan.runtime.images.examples import build_example_images
from sampan.runtime.images.store import LocalImageStore


async def main(cluster: str) -> None:
    store = LocalImageStore(images_root(cluster))
    await store.start()
    for image in await build_example_images(store):
        for name in image.repo_tags:
            print(f"{name:34} {image.id[7:20]}  {human_size(image.size)}")  # noqa: T201 - the script's output
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else DEFAULT_NAME))
