"""Images: looked for, pulled by the policy, backed off, with the events that tell it; and who may pull."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from sampan.api.types import core_v1
from sampan.client.clock import FakeClock
from sampan.kubelet.errors import ContainerFault
from sampan.kubelet.image_gc import ImageCollector
from sampan.kubelet.images import ImagePuller, milliseconds
from sampan.kubelet.pull_secrets import choose, credentials
from sampan.runtime.contract import AuthConfig, ImageInUse, ImagePullError, InvalidImageName
from sampan.runtime.fake import FakeRuntime
from tests.unit.kubelet.pods import make_pod
from tests.unit.kubelet.test_prober import Said


class Bench:
    def __init__(self) -> None:
        self.clock, self.runtime, self.said = FakeClock(), FakeRuntime(), Said()
        self.puller = ImagePuller(self.runtime, self.said, self.clock, self._secrets)

    async def _secrets(self, pod: core_v1.Pod, image: str) -> AuthConfig | None:
        return None

    async def ensure(self, image: str = "app:1", policy: str = "IfNotPresent") -> str:
        """The reason why not; nothing when the image is here."""
        self.said.lines.clear()
        pod = make_pod({"containers": [{"name": "a", "image": image, "imagePullPolicy": policy}]})
        try:
            await self.puller.ensure(pod, pod.spec.containers[0])
        except ContainerFault as fault:
            return f"{fault.reason}: {fault.message}"
        return ""

    def pulls(self) -> int:
        return sum(1 for name, _ in self.runtime.calls if name == "pull_image")


@pytest.mark.parametrize(
    ("policy", "present", "pulls"), [("IfNotPresent", True, 0), ("IfNotPresent", False, 1), ("Always", True, 1)]
)
async def test_policies(policy: str, present: bool, pulls: int) -> None:
    bench = Bench()
    bench.runtime.add_remote_image("app:1")
    if present:
        bench.runtime.add_image("app:1")
    assert await bench.ensure(policy=policy) == ""
    assert bench.pulls() == pulls
    told = "Successfully pulled image" if pulls else "already present on machine and can be accessed by the pod"
    assert told in bench.said.lines[-1]


async def test_never_pulled() -> None:
    bench = Bench()
    said = 'Container image "app:1" is not present with pull policy of Never'
    assert await bench.ensure(policy="Never") == f"ErrImageNeverPull: {said}"
    assert bench.said.lines == [f"ErrImageNeverPull: {said}", "Failed: Error: ErrImageNeverPull"]


async def test_a_name_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(ref: str) -> None:
        raise InvalidImageName("invalid reference format")

    bench = Bench()
    monkeypatch.setattr(bench.runtime, "image_status", refuse)
    found = await bench.ensure("Bad Image:")
    assert found.startswith('InvalidImageName: Failed to apply default image tag "Bad Image:": ')
    assert bench.said.lines[0].startswith("InspectFailed: ")


async def test_failures_wait_longer_each_time() -> None:
    bench = Bench()
    bench.runtime.add_remote_image("app:1", ImagePullError("no"))
    assert await bench.ensure() == "ErrImagePull: no"
    assert bench.said.lines == [
        'Pulling: Pulling image "app:1"',
        'Failed: Failed to pull image "app:1": no',
        "Failed: Error: ErrImagePull",
    ]
    assert await bench.ensure() == 'ImagePullBackOff: Back-off pulling image "app:1": ErrImagePull: no'
    assert bench.said.lines == ['BackOff: Back-off pulling image "app:1"', "Failed: Error: ImagePullBackOff"]
    await bench.clock.advance(11)
    assert (await bench.ensure()).startswith("ErrImagePull")
    await bench.clock.advance(11)
    assert (await bench.ensure()).startswith("ImagePullBackOff")
    await bench.clock.advance(10)
    bench.runtime.add_remote_image("app:1")
    assert await bench.ensure() == ""


@pytest.mark.parametrize(
    ("seconds", "wanted"), [(0.0871, "87ms"), (1.2041, "1.204s"), (2.0, "2s"), (62.5, "1m2.5s"), (0, "0ms")]
)
def test_durations(seconds: float, wanted: str) -> None:
    assert milliseconds(seconds) == wanted


AUTHS = {
    "https://index.docker.io/v1/": {"username": "hub"},
    "reg.example": {"username": "whole"},
    "reg.example/team": {"username": "team"},
    "http://localhost:5000": {"username": "local"},
}


@pytest.mark.parametrize(
    ("image", "wanted"),
    [
        ("busybox", "hub"),
        ("library/busybox:1", "hub"),
        ("docker.io/x/y", "hub"),
        ("reg.example/x:1", "whole"),
        ("reg.example/team/x", "team"),
        ("reg.example/teams/x", "whole"),
        ("localhost:5000/x", "local"),
        ("other.example/x", ""),
    ],
)
def test_which_credentials(image: str, wanted: str) -> None:
    found = choose(AUTHS, image)
    assert (found.username if found else "") == wanted


def test_both_kinds_of_secrets_and_broken_ones() -> None:
    def secret(key: str, content: Any) -> core_v1.Secret:
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        return core_v1.Secret(data={key: base64.b64encode(raw).decode()})

    for found in (
        credentials(secret(".dockerconfigjson", {"auths": AUTHS}), "reg.example/x"),
        credentials(secret(".dockercfg", AUTHS), "reg.example/x"),
    ):
        assert found is not None
        assert found.username == "whole"
    assert credentials(secret(".dockerconfigjson", b"{"), "reg.example/x") is None
    assert credentials(secret("other", AUTHS), "reg.example/x") is None


async def test_a_full_disk_costs_the_images_that_nobody_uses() -> None:
    runtime = FakeRuntime()
    runtime.add_image("small:1", size=10)
    runtime.add_image("large:1", size=1000)
    assert await ImageCollector(runtime).collect() == 1010
    assert await runtime.list_images() == []
    runtime.add_image("held:1", size=5)
    runtime.fail_next("remove_image", ImageInUse("held"))
    assert await ImageCollector(runtime).collect() == 0
