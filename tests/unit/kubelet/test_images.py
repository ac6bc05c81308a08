"""Images: looked for, pulled by the policy, backed off, with the events that tell it; and who may pull."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sampan.api.types import core_v1
from sampan.client.clock import FakeClock
from sampan.kubelet.errors import ContainerFault
from sampan.kubelet.image_gc import ImageCollector
from sampan.kubelet.images import ImagePuller, milliseconds
from sampan.runtime.contract import AuthConfig, ImageInUse, ImagePullError, InvalidImageName
from sampan.runtime.fake import FakeRuntime
from tests.unit.kubelet.pods import make_pod
from tests.unit.kubelet.test_prober import Said


class Bench:
    def __init__(self) -> None:
        self.clock, self.runtime, self.said = FakeClock(), FakeRuntime(), Said()
        self.auths: list[AuthConfig] = []
        self.puller = ImagePuller(self.runtime, self.said, self.clock, self._secrets)

    async def _secrets(self, pod: core_v1.Pod, image: str) -> list[AuthConfig]:
        return self.auths

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


async def test_every_credential_gets_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    bench, tried = Bench(), []
    bench.auths = [AuthConfig(username=name) for name in ("first", "second", "third")]
    bench.runtime.add_remote_image("app:1")
    pull = bench.runtime.pull_image

    async def only_second(ref: str, auth: AuthConfig | None = None) -> Any:
        tried.append(auth.username if auth else "")
        if auth != bench.auths[1]:
            raise ImagePullError("401")
        return await pull(ref, auth)

    monkeypatch.setattr(bench.runtime, "pull_image", only_second)
    assert await bench.ensure() == ""
    assert tried == ["first", "second"]


async def test_nobody_gets_an_image_with_what_another_one_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    bench, begun, go_on = Bench(), [], asyncio.Event()
    bench.runtime.add_remote_image("app:1")
    pull = bench.runtime.pull_image

    async def slowly(ref: str, auth: AuthConfig | None = None) -> Any:
        begun.append(auth.username if auth else "")
        await go_on.wait()
        if auth is None:
            raise ImagePullError("401")
        return await pull(ref, auth)

    monkeypatch.setattr(bench.runtime, "pull_image", slowly)
    bench.auths = [AuthConfig(username="friend")]
    friends = [asyncio.ensure_future(bench.ensure()) for _ in range(2)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    bench.auths = []
    stranger = asyncio.ensure_future(bench.ensure(policy="Always"))
    async with asyncio.timeout(20):
        while len(begun) < 2:
            await asyncio.sleep(0)
    go_on.set()
    assert await asyncio.gather(*friends) == ["", ""]
    assert (await stranger).startswith("ErrImagePull")
    assert begun == ["friend", ""]


async def test_a_full_disk_costs_the_images_that_nobody_uses() -> None:
    runtime = FakeRuntime()
    runtime.add_image("small:1", size=10)
    runtime.add_image("large:1", size=1000)
    assert await ImageCollector(runtime).collect() == 1010
    assert await runtime.list_images() == []
    runtime.add_image("held:1", size=5)
    runtime.fail_next("remove_image", ImageInUse("held"))
    assert await ImageCollector(runtime).collect() == 0
