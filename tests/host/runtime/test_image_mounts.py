"""Images mounted into containers of other images."""

from __future__ import annotations

from pathlib import Path

import pytest

from sampan.runtime import contract as cri
from sampan.runtime.dirstore import DirectoryImageStore
from tests.host.runtime.world import World

pytestmark = pytest.mark.root


@pytest.fixture
def tools(world: World, tmp_path: Path) -> cri.Image:
    folder = tmp_path / "tools"
    (folder / "etc").mkdir(parents=True)
    (folder / "etc/motd").write_text("from the other image")
    (folder / "run").write_text("#!/bin/sh\n")
    (folder / "run").chmod(0o755)
    store = world.runtime.node.images
    assert isinstance(store, DirectoryImageStore)
    return store.add("tools:1", str(folder))


@pytest.mark.parametrize("world", ["crun", "runc"], indirect=True)
async def test_an_image_is_mounted_read_only_and_goes_with_the_container(world: World, tools: cri.Image) -> None:
    mounts = [
        cri.Mount(container_path="/tools", image="tools:1"),
        cri.Mount(container_path="/etc/motd", image=tools.id, sub_path="etc/motd"),
    ]
    container = await world.container(await world.sandbox(), "sleep", "100", mounts=mounts)
    assert await world.sh(container, "cat /tools/etc/motd") == "from the other image"
    assert await world.sh(container, "cat /etc/motd") == "from the other image"
    assert "Read-only" in await world.sh(container, "touch /tools/new")
    assert "denied" in await world.sh(container, "/tools/run")
    status = await world.runtime.container_status(container)
    assert {mount.image_ref for mount in status.mounts} == {tools.repo_digests[0]}
    store = world.runtime.node.images
    assert sorted(await store.list_rootfs()) == [container, f"{container}.0", f"{container}.1"]
    await world.restart()
    assert len(await world.runtime.node.images.list_rootfs()) == 3  # they belong to a container that is known
    await world.runtime.remove_container(container)
    assert await world.runtime.node.images.list_rootfs() == []


async def test_an_image_that_is_not_here(world: World) -> None:
    with pytest.raises(cri.CreateError, match="image 'none:1' for '/tools' is not on this node"):
        await world.container(
            await world.sandbox(), "true", mounts=[cri.Mount(container_path="/tools", image="none:1")]
        )
    assert await world.runtime.node.images.list_rootfs() == []
