"""How a Pod ends: hooks first, sidecars last, and what is left of the grace period for each."""

from __future__ import annotations

from typing import Any

import pytest

from sampan.api.types import core_v1
from sampan.client.clock import FakeClock
from sampan.kubelet.actions import Kill
from sampan.kubelet.hooks import LifecycleHooks
from sampan.kubelet.stopper import Stopper
from sampan.runtime.contract import ExecResult, RuntimeFault
from tests.unit.kubelet.pods import NOW, container, make_pod, state_of
from tests.unit.kubelet.test_prober import Said


class Stops:
    """A runtime that remembers what it was told to stop, and how patiently."""

    def __init__(self, clock: FakeClock, *, code: int = 0, takes: float = 0) -> None:
        self.clock, self.code, self.takes = clock, code, takes
        self.stopped: list[tuple[str, float]] = []

    async def stop_container(self, container_id: str, grace: float) -> None:
        self.stopped.append((container_id, grace))
        self.clock._step(self.takes)

    async def stop_sandbox(self, sandbox_id: str) -> None:
        self.stopped.append((sandbox_id, 0))

    async def exec_sync(self, container_id: str, argv: list[str], timeout: float = 0) -> ExecResult:
        self.clock._step(self.takes)
        if self.code < 0:
            raise RuntimeFault("no such container")
        return ExecResult(stdout=b"said ", stderr=b"this", exit_code=self.code)


class Bench:
    def __init__(self, *, code: int = 0, takes: float = 0) -> None:
        self.clock, self.said = FakeClock(NOW), Said()
        self.runtime = Stops(self.clock, code=code, takes=takes)
        self.hooks = LifecycleHooks(self.runtime, self.clock)  # type: ignore[arg-type]
        self.stopper = Stopper(
            runtime=self.runtime,  # type: ignore[arg-type]
            hooks=self.hooks,
            events=self.said,
            clock=self.clock,
        )


def hooked(**more: Any) -> core_v1.Pod:
    lifecycle = {"preStop": {"exec": {"command": ["bye"]}}}
    return make_pod({"containers": [{"name": "a", "image": "i", "lifecycle": lifecycle}], **more})


SIDECARS = {
    "initContainers": [
        {"name": "s1", "image": "i", "restartPolicy": "Always"},
        {"name": "i", "image": "i"},
        {"name": "s2", "image": "i", "restartPolicy": "Always"},
    ],
    "terminationGracePeriodSeconds": 10,
}


async def test_sidecars_go_last_and_in_reverse() -> None:
    bench = Bench(takes=4)
    state = state_of(container("s1"), container("s2"), container("a"))
    await bench.stopper.stop_pod(make_pod(SIDECARS), state)
    assert bench.runtime.stopped == [("a0", 10), ("s20", 6), ("s10", 2), ("s0", 0)]
    assert bench.said.lines == [f"Killing: Stopping container {name}" for name in ("a", "s2", "s1")]


async def test_the_hook_comes_out_of_the_grace_period() -> None:
    bench = Bench(takes=3)
    await bench.stopper.stop_pod(hooked(terminationGracePeriodSeconds=10), state_of(container("a")))
    assert bench.runtime.stopped[0] == ("a0", 7)


async def test_a_hook_that_takes_everything_leaves_two_seconds() -> None:
    bench = Bench(takes=30)
    await bench.stopper.stop_pod(hooked(terminationGracePeriodSeconds=10), state_of(container("a")))
    assert bench.runtime.stopped[0] == ("a0", 2)


async def test_a_hook_that_fails_is_told_and_stops_nothing() -> None:
    bench = Bench(code=5)
    await bench.stopper.stop_pod(hooked(), state_of(container("a")))
    assert bench.said.lines == ["Killing: Stopping container a", "FailedPreStopHook: PreStopHook failed"]
    assert bench.runtime.stopped[0] == ("a0", 30)


async def test_the_delete_decides_about_the_grace() -> None:
    bench = Bench()
    await bench.stopper.stop_pod(make_pod(deletionGracePeriodSeconds=3), state_of(container("a")))
    assert bench.runtime.stopped[0] == ("a0", 3)


async def test_a_forced_end_runs_no_hook() -> None:
    bench = Bench(code=5)
    await bench.stopper.stop_pod(hooked(), state_of(container("a")), grace=0)
    assert bench.said.lines == ["Killing: Stopping container a"]


@pytest.mark.parametrize(("own", "wanted"), [(None, 30), (5, 5)])
async def test_a_probe_may_have_its_own_grace(own: int | None, wanted: float) -> None:
    bench = Bench()
    probe = {"exec": {"command": ["x"]}, "terminationGracePeriodSeconds": own}
    pod = make_pod({"containers": [{"name": "a", "image": "i", "livenessProbe": probe}]})
    kill = Kill(name="a", message="Container a failed liveness probe", reason="LivenessProbe")
    await bench.stopper.stop_container(pod, state_of(container("a")), "a0", kill)
    assert bench.runtime.stopped == [("a0", wanted)]
    assert bench.said.lines == ["Killing: Container a failed liveness probe"]


async def test_what_does_not_run_is_not_announced() -> None:
    bench = Bench()
    await bench.stopper.stop_pod(make_pod(), state_of(container("a", "exited")))
    assert bench.said.lines == []


async def test_a_post_start_hook() -> None:
    lifecycle = {"postStart": {"exec": {"command": ["hello", "you"]}}}
    pod = make_pod({"containers": [{"name": "a", "image": "i", "lifecycle": lifecycle}]})
    one = pod.spec.containers[0]
    assert await Bench().hooks.post_start(pod, one, "a0", "") == ""
    said = "Exec lifecycle hook failed - error: command 'hello you' exited with 5: said this"
    assert await Bench(code=5).hooks.post_start(pod, one, "a0", "") == said
    assert "no such container" in await Bench(code=-1).hooks.post_start(pod, one, "a0", "")


async def test_a_hook_that_sleeps() -> None:
    import asyncio

    bench = Bench()
    pod = make_pod({"containers": [{"name": "a", "image": "i", "lifecycle": {"preStop": {"sleep": {"seconds": 5}}}}]})
    task = asyncio.ensure_future(bench.hooks.pre_stop(pod, pod.spec.containers[0], "a0", "", 30))
    await bench.clock.advance(4.9)
    assert not task.done()
    await bench.clock.advance(0.2)
    assert await task == ""
