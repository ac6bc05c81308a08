"""The runtime on the real image store: what an image's configuration and layers come to in a container."""

from __future__ import annotations

from pathlib import Path

import pytest

from sampan.runtime import contract as cri
from sampan.runtime.images.build import build
from sampan.runtime.images.store import LocalImageStore
from sampan.runtime.oci import HostRuntime
from tests.host.runtime.world import World

pytestmark = pytest.mark.root


@pytest.fixture
async def stored(world: World) -> World:
    """The same world with the real store in it."""
    await world.runtime.close()

    def new_runtime() -> HostRuntime:
        return HostRuntime(world.config, LocalImageStore(world.path / "images"))

    world.new_runtime = new_runtime  # type: ignore[method-assign]
    await world.restart_closed()
    store = LocalImageStore(world.path / "images")
    await store.start()
    await build(store, "demo:1", world.root, cri.ImageConfig(
        entrypoint=["sh", "-c"], cmd=["echo $GREETING; id -u; pwd; sleep 100"], env=["GREETING=ahoy"], user="app",
        working_dir="/data", stop_signal="SIGKILL",
    ))  # fmt: skip
    await store.close()
    return world


async def test_an_image_s_configuration_is_heeded(stored: World) -> None:
    image = await stored.runtime.image_status("demo:1")
    assert image is not None
    container = await stored.container(await stored.sandbox(), image="demo:1", image_id=image.id)
    for _ in range(100):
        if Path((await stored.runtime.container_status(container)).log_path).read_text().count("\n") == 3:
            break
        await stored.sh(container, "sleep 0.02")
    status = await stored.runtime.container_status(container)
    assert stored.log(status) == "ahoy\n1000\n/data"
    assert (status.image_id, status.stop_signal, status.user) == (image.id, "SIGKILL", 1000)
    await stored.sh(container, "echo x > /tmp/x")
    assert (await stored.runtime.container_stats(container)).writable_bytes > 0
    await stored.restart()
    assert await stored.sh(container, "cat /tmp/x") == "x"
    with pytest.raises(cri.ImageInUse):
        await stored.runtime.remove_image(image.id)
