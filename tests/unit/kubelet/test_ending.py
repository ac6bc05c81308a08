"""How Pods end, through the API: deleted, out of time, done; and in which order their containers stop."""

from __future__ import annotations

import pytest

from sampan.api.types import core_v1
from sampan.runtime.contract import ContainerState, ExecResult
from sampan.runtime.fake import Behaviour
from tests.unit.kubelet.world import World


async def test_deleted_while_the_kubelet_was_away(world: World) -> None:
    async with world.running():
        world.add()
        await world.settle()
    await world.delete(5)
    world.kubelet = world.new_kubelet()
    async with world.running():
        await world.pass_time(2)
        assert world.gone
    assert world.runtime.sandboxes == {}


async def test_until_all_has_stopped_a_pod_is_not_over(world: World) -> None:
    """The sidecar stops after the container that was the Pod's purpose; until then no Job may count it."""
    world.runtime.behave("a", Behaviour(run_for=1, exit_code=0))
    world.runtime.behave("s", Behaviour(ignores_term=True))
    sidecar = [{"name": "s", "image": "app:1", "restartPolicy": "Always"}]
    async with world.running():
        world.add({"restartPolicy": "Never", "initContainers": sidecar, "terminationGracePeriodSeconds": 5})
        await world.pass_time(3)
        assert world.state["terminated"]["exitCode"] == 0
        assert (world.pod.status.phase, world.condition("Ready")) == ("Running", "False")
        await world.pass_time(5)
        assert world.pod.status.phase == "Succeeded"


async def test_a_deadline(world: World) -> None:
    async with world.running():
        world.runtime.behave("a", Behaviour(ignores_term=True))
        world.add({"activeDeadlineSeconds": 3, "terminationGracePeriodSeconds": 5})
        await world.settle()
        await world.pass_time(5)
        assert (world.pod.status.phase, world.pod.status.reason) == ("Running", None)  # it still runs
        assert world.condition("Ready") == "False"  # but is not to be reached any more
        await world.pass_time(5)
        assert (world.pod.status.phase, world.pod.status.reason) == ("Failed", "DeadlineExceeded")
        assert world.state["terminated"]["exitCode"] == 137


async def test_a_deadline_while_the_image_is_not_there(world: World) -> None:
    async with world.running():
        waiting = [{"name": "a", "image": "nothing:1", "imagePullPolicy": "Never"}]
        world.add({"activeDeadlineSeconds": 3, "containers": waiting})
        await world.pass_time(8)
        assert (world.pod.status.phase, world.pod.status.reason) == ("Failed", "DeadlineExceeded")
        assert world.state["terminated"]["reason"] == "ContainerStatusUnknown"


async def test_a_hook_that_does_not_return_holds_nobody_up(world: World) -> None:
    hook = {"postStart": {"sleep": {"seconds": 6000}}}
    world.runtime.behave("a", Behaviour(ignores_term=True))
    async with world.running():
        world.add({"containers": [{"name": "a", "image": "app:1", "lifecycle": hook}]})
        await world.pass_time(3)
        assert await world.container_id()
        assert world.state["waiting"]["reason"] == "ContainerCreating"  # not running before its hook is done
        await world.delete(2)
        await world.pass_time(4)
        assert world.gone
    assert world.runtime.sandboxes == {}


async def test_a_container_that_takes_for_ever_to_be_made_holds_nobody_up(world: World) -> None:
    world.runtime.behave("a", Behaviour(create_delay=6000))
    async with world.running():
        world.add()
        await world.pass_time(3)
        assert world.state["waiting"]["reason"] == "ContainerCreating"
        await world.delete(30)
        await world.pass_time(1)
        assert world.gone
    assert world.runtime.sandboxes == {}


@pytest.mark.parametrize("gracefully_first", [False, True])
async def test_a_forced_delete_does_not_wait_for_long(world: World, gracefully_first: bool) -> None:
    world.runtime.behave("a", Behaviour(ignores_term=True))
    async with world.running():
        world.add({"terminationGracePeriodSeconds": 600})
        await world.settle()
        if gracefully_first:
            await world.delete()
            await world.pass_time(3)
        await world.delete(0)
        assert world.gone  # for those who asked; its containers have a moment
        assert len(world.runtime.sandboxes) == 1
        await world.pass_time(4)
    assert world.runtime.sandboxes == {}


async def test_a_second_delete_kills_at_once(world: World) -> None:
    world.runtime.behave("a", Behaviour(ignores_term=True))
    async with world.running():
        world.add()
        await world.settle()
        await world.delete(60)
        await world.pass_time(3)
        assert not world.gone
        await world.delete(1)
        await world.pass_time(3)
        assert world.gone


async def test_a_hook_has_its_time_and_sidecars_stop_last(world: World) -> None:
    hook = {"preStop": {"sleep": {"seconds": 4}}}
    sidecars = [{"name": n, "image": "app:1", "restartPolicy": "Always"} for n in ("first", "second")]
    for name in ("a", "first", "second"):
        world.runtime.behave(name, Behaviour(term_exit_code=0))
    async with world.running():
        world.add({"containers": [{"name": "a", "image": "app:1", "lifecycle": hook}], "initContainers": sidecars})
        await world.settle()
        pods = world.server.client().resource(core_v1.Pod)
        await pods.delete("p", namespace="ns", grace_period_seconds=20)
        await world.pass_time(3)
        running = [c.name for c in await world.runtime.list_containers() if c.state is ContainerState.RUNNING]
        assert sorted(running) == ["a", "first", "second"]  # the hook still sleeps
        await world.pass_time(3)
        assert world.gone
    stopped = [arguments[0] for name, arguments in world.runtime.calls if name == "stop_container"]
    assert len(stopped) == 3
    assert "FailedPreStopHook" not in world.reasons()


async def test_a_pod_that_goes_says_when_it_is_not_ready_any_more(world: World) -> None:
    """And nothing else: each status is a write for the API server."""
    healthy = True

    def answer(argv: list[str]) -> ExecResult:
        return ExecResult(stdout=b"", stderr=b"", exit_code=0 if healthy else 1)

    world.runtime.behave("a", Behaviour(ignores_term=True, exec=answer))
    probe = {"exec": {"command": ["look"]}, "periodSeconds": 1, "failureThreshold": 1}
    one = {"name": "a", "image": "app:1", "readinessProbe": probe, "livenessProbe": probe}
    async with world.running():
        world.add({"containers": [one], "terminationGracePeriodSeconds": 20})
        await world.pass_time(2)
        await world.delete()
        await world.pass_time(3)
        before = world.pod.metadata.resourceVersion
        assert world.condition("Ready") == "True"
        await world.pass_time(3)
        assert world.pod.metadata.resourceVersion == before
        healthy = False
        await world.pass_time(2)
        assert (world.condition("Ready"), world.pod.status.phase) == ("False", "Running")
        assert (world.pod.status.containerStatuses or [])[0].restartCount == 0
        await world.pass_time(20)
        assert world.gone


async def test_a_container_that_is_restarted_shows_that_it_is_not_ready_meanwhile(world: World) -> None:
    """Its hook takes a while, and its neighbour has other troubles."""
    alive, ready = True, True

    def answer(argv: list[str]) -> ExecResult:
        good = alive if argv == ["alive"] else ready
        return ExecResult(stdout=b"", stderr=b"", exit_code=0 if good else 1)

    world.runtime.behave("a", Behaviour(exec=answer))
    often = {"periodSeconds": 1, "failureThreshold": 1}
    one = {
        "name": "a", "image": "app:1", "lifecycle": {"preStop": {"sleep": {"seconds": 10}}},
        "livenessProbe": {"exec": {"command": ["alive"]}, **often},
        "readinessProbe": {"exec": {"command": ["ready"]}, **often},
    }  # fmt: skip
    async with world.running():
        world.add({"containers": [one], "terminationGracePeriodSeconds": 20})
        await world.pass_time(2)
        assert world.condition("Ready") == "True"
        alive = False
        await world.pass_time(3)
        assert (world.condition("Ready"), "Killing" in world.reasons()) == ("True", True)
        ready = False
        await world.pass_time(2)
        assert world.condition("Ready") == "False"
        assert "running" in world.state
        alive = ready = True
        await world.pass_time(20)
        assert (world.pod.status.containerStatuses or [])[0].restartCount == 1
        assert world.condition("Ready") == "True"
