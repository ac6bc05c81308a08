"""From a registry to a running container: what was pulled is what the process sees."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from sampan.runtime import contract as cri
from sampan.runtime.images.build import build
from sampan.runtime.images.examples import build_example_images
from sampan.runtime.images.save import save
from sampan.runtime.images.store import LocalImageStore
from sampan.runtime.oci import HostRuntime
from tests.host.runtime.world import BUSYBOX, World, busybox_root
from tests.integration.images.registry import LiveRegistry, needs_registry, start_registry
from tests.unit.runtime.images.archives import directory, entry, layout, tar

pytestmark = [needs_registry, pytest.mark.root]


class ImageWorld(World):
    """The same node, with the real image store."""

    def new_runtime(self) -> HostRuntime:
        self.store = LocalImageStore(self.path / "images", overlay=self.overlay, owner=self.tag)
        return HostRuntime(self.config, self.store)


@pytest.fixture(params=[True, False], ids=["overlay", "copies"])
async def world(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[ImageWorld]:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    missing = [tool for tool in ("conmon", "catatonit", "ip", BUSYBOX) if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    made = ImageWorld(tmp_path / "node", overlay=request.param)
    await made.start()
    try:
        yield made
    finally:
        await made.close()
    assert await made.store.list_rootfs() == []
    traces = made.traces()
    assert not any(traces.values()), traces


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[LiveRegistry]:
    live = start_registry(tmp_path / "registry")
    yield live
    live.stop()


async def test_kubia_from_a_registry(world: ImageWorld, registry: LiveRegistry, tmp_path: Path) -> None:
    elsewhere = LocalImageStore(tmp_path / "elsewhere")
    await elsewhere.start()
    await build_example_images(elsewhere)
    with (tmp_path / "kubia.tar").open("wb") as out:
        await save(elsewhere, ["luksa/kubia"], out)
    await elsewhere.close()
    registry.push(Path(f"oci-archive:{tmp_path / 'kubia.tar'}"), "luksa/kubia:latest")

    image = await world.runtime.pull_image(f"{registry.host}/luksa/kubia")
    sandbox = await world.sandbox(name="kubia-manual", hostname="kubia-manual")
    server = await world.container(sandbox, image_id=image.id, image="luksa/kubia")
    answer = "i=0; until wget -qO- http://127.0.0.1:8080/; do i=$((i+1)); [ $i -lt 50 ] || exit 1; usleep 50000; done"
    assert (await world.sh(server, answer)).splitlines()[-1] == "You've hit kubia-manual"
    status = await world.runtime.container_status(server)
    assert status.image_ref == image.repo_digests[0]
    with pytest.raises(cri.ImageInUse):
        await world.runtime.remove_image(image.id)
    await world.runtime.stop_container(server, 10)
    status = await world.runtime.container_status(server)
    assert (status.exit_code, status.reason) == (0, "Completed")
    assert "Received request from 127.0.0.1" in world.log(status)


async def test_layers_owners_and_configuration(world: ImageWorld, registry: LiveRegistry, tmp_path: Path) -> None:
    busybox = Path(BUSYBOX).read_bytes()
    layout(
        tmp_path / "image",
        tar(directory("bin"), entry("bin/busybox", busybox, mode=0o755), entry("bin/su-id", busybox, mode=0o4755),
            directory("etc"), entry("etc/gone", b"1"), entry("etc/kept", b"old"),
            entry("etc/passwd", b"root:x:0:0::/:/\napp:x:1000:1000::/:/\n"), directory("tmp", mode=0o1777),
            directory("work", uid=1000), entry("work/mine", b"x\n", uid=1000, mode=0o600)),
        tar(entry("etc/.wh.gone"), entry("etc/kept", b"new\n"), entry("tmp/note", b"hello")),
        config={
            "User": "app", "WorkingDir": "/work", "Env": ["PATH=/bin", "WHO=image"],
            "Entrypoint": ["/bin/busybox", "sh", "-c"], "Cmd": ["busybox id; busybox cat mine; echo $WHO"],
        },
    )  # fmt: skip
    registry.push(tmp_path / "image", "team/app:1")
    image = await world.runtime.pull_image(f"{registry.host}/team/app:1")
    sandbox = await world.sandbox()

    assert await world.output(sandbox, image_id=image.id) == "uid=1000(app) gid=1000 groups=1000\nx\nimage"
    looked = "busybox cat /etc/kept; busybox ls /etc; busybox stat -c %a /tmp /bin/su-id; echo >/tmp/own"
    seen = await world.output(sandbox, image_id=image.id, args=[looked])
    assert seen.splitlines()[0] == "new"
    assert {"kept", "passwd"} <= set(seen.splitlines())
    assert "gone" not in seen.splitlines()
    assert seen.splitlines()[-2:] == ["1777", "4755"]
    # what one container wrote, another does not see
    assert (await world.output(sandbox, image_id=image.id, args=["busybox ls /tmp"])).split() == ["note"]


async def test_a_new_process_finds_roots_and_images(world: ImageWorld, tmp_path: Path) -> None:
    config = cri.ImageConfig(cmd=["sleep", "1000"])
    image = await build(world.store, "sampan.local/box:1", busybox_root(tmp_path / "box"), config)
    sandbox = await world.sandbox()
    container = await world.container(sandbox, image_id=image.id)
    await world.sh(container, "echo kept > /data/file")
    await world.restart()
    found = await world.runtime.image_status("sampan.local/box:1")
    assert found is not None
    assert found.id == image.id
    assert await world.sh(container, "cat /data/file") == "kept"
    assert (await world.store.rootfs_usage(container)).used_bytes > 0
    await world.runtime.remove_container(container)
    assert await world.store.list_rootfs() == []
    await world.runtime.remove_image("sampan.local/box:1")
    assert list((world.path / "images/s").iterdir()) == []
