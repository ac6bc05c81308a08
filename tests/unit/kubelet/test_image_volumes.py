"""An image as a volume: pulled like a container's own, refused where it cannot be had, and shown in the status."""

from __future__ import annotations

from typing import Any

import pytest

from sampan.runtime.contract import ImagePullError
from tests.unit.kubelet.world import World


def showing(**source: Any) -> dict[str, Any]:
    mounts = [{"name": "v", "mountPath": "/tools", "subPath": "bin"}]
    return {
        "volumes": [{"name": "v", "image": {"reference": "tools:1", "pullPolicy": "IfNotPresent", **source}}],
        "containers": [
            {"name": "a", "image": "app:1", "volumeMounts": mounts},
            {"name": "b", "image": "app:1"},
        ],
    }


async def test_it_is_pulled_and_mounted(world: World) -> None:
    world.runtime.add_remote_image("tools:1")
    async with world.running():
        world.add(showing())
        await world.settle()
        assert world.condition("Ready") == "True"
        assert ("pull_image", "tools:1") in world.runtime.calls
        mounts = world.runtime.config_of(await world.container_id("a")).mounts
        (mount,) = [m for m in mounts if m.container_path == "/tools"]
        assert (mount.image, mount.host_path, mount.sub_path, mount.readonly) == ("tools:1", "", "bin", True)


@pytest.mark.parametrize(("policy", "reason"), [("IfNotPresent", "ErrImagePull"), ("Never", "ErrImageNeverPull")])
async def test_only_the_container_that_mounts_it_waits(world: World, policy: str, reason: str) -> None:
    world.runtime.add_remote_image("tools:1", ImagePullError("not found"))
    async with world.running():
        world.add(showing(pullPolicy=policy))
        await world.settle()
        states = {s.name: s.state for s in world.pod.status.containerStatuses or ()}
        assert states["a"].waiting is not None
        assert states["a"].waiting.reason == reason
        assert states["b"].running is not None
