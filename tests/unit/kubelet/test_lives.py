"""Whole lives of Pods, through the API, with a runtime that runs nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sampan.api.types import core_v1
from sampan.network.contract import NetworkError
from sampan.runtime.contract import ContainerState, ImagePullError
from sampan.runtime.fake import Behaviour
from tests.unit.kubelet.pods import make_pod
from tests.unit.kubelet.world import World, in_the_loop


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(asyncio, "to_thread", in_the_loop)
    return World(tmp_path)


async def delete(world: World, grace: int | None = None) -> None:
    await world.server.client().resource(core_v1.Pod).delete("p", namespace="ns", grace_period_seconds=grace)
    await world.settle()


async def test_created_runs_and_is_deleted(world: World) -> None:
    async with world.running():
        world.add()
        await world.settle()
        assert world.pod.status.phase == "Running"
        assert world.condition("Ready") == "True"
        assert world.pod.status.podIP == "10.244.0.2"
        assert world.pod.status.hostIP == "192.0.2.1"
        await delete(world, 5)
        await world.pass_time(1)
        assert world.gone
    assert world.runtime.sandboxes == {}
    assert world.network.attachments == {}
    assert world.reasons() == ["Pulled", "Created", "Started", "Killing"]
    assert not list((world.config.root_dir / "pods").glob("*/*"))


async def test_a_crash_is_held_back_longer_each_time(world: World) -> None:
    world.runtime.behave("a", Behaviour(run_for=1, exit_code=1))
    async with world.running():
        world.add()
        await world.settle()
        await world.pass_time(2)
        assert world.calls("start_container") == 2  # the first time it is started again at once
        await world.pass_time(2)
        assert world.state["terminated"]["exitCode"] == 1  # how it ended is shown first
        await world.pass_time(5)
        assert world.calls("start_container") == 2
        await world.pass_time(6)
        assert world.calls("start_container") == 3
        await world.pass_time(15)
        assert world.state["waiting"]["reason"] == "CrashLoopBackOff"
        said = f"back-off 20s restarting failed container=a pod=p_ns({world.uid})"
        assert world.state["waiting"]["message"] == said
        assert world.calls("start_container") == 3
        await world.pass_time(10)
        assert world.calls("start_container") == 4
    assert world.condition("Ready") == "False"
    assert world.pod.status.phase == "Running"
    assert "BackOff" in world.reasons()


async def test_dead_containers_do_not_pile_up(world: World) -> None:
    world.runtime.behave("a", Behaviour(run_for=1, exit_code=1))
    async with world.running():
        world.add()
        await world.pass_time(120, step=5)
        assert world.calls("start_container") >= 4
        assert len(await world.runtime.list_containers()) <= 2


async def test_a_pod_that_is_done(world: World) -> None:
    world.runtime.behave("a", Behaviour(run_for=1, exit_code=0))
    async with world.running():
        world.add({"restartPolicy": "Never"})
        await world.pass_time(3)
        assert world.pod.status.phase == "Succeeded"
        assert world.condition("Ready") == "False"
        assert world.network.attachments == {}
        assert world.calls("start_container") == 1
        assert len(await world.runtime.list_containers()) == 1  # kept for its log


async def test_an_image_that_cannot_be_pulled(world: World) -> None:
    world.runtime.add_remote_image("other:1", ImagePullError("no such image"))
    async with world.running():
        world.add({"containers": [{"name": "a", "image": "other:1"}]})
        await world.settle()
        assert world.state["waiting"] == {"reason": "ErrImagePull", "message": "no such image"}
        await world.pass_time(5)
        assert world.pod.status.phase == "Pending"
        world.runtime.add_remote_image("other:1")
        await world.pass_time(60)
        assert world.condition("Ready") == "True"
    assert world.reasons()[:3] == ["Pulling", "Failed", "Failed"]


async def test_the_kubelet_goes_and_comes_back(world: World) -> None:
    async with world.running():
        world.add()
        await world.settle()
    before = await world.runtime.list_containers()
    world.kubelet = world.new_kubelet()
    async with world.running():
        await world.pass_time(2)
        assert world.condition("Ready") == "True"
    assert await world.runtime.list_containers() == before
    assert world.calls("run_sandbox") == world.calls("start_container") == 1


async def test_what_ended_while_the_kubelet_was_away_is_started_again(world: World) -> None:
    async with world.running():
        world.add()
        await world.settle()
    world.runtime.exit(await world.container_id(), 7)
    world.kubelet = world.new_kubelet()
    async with world.running():
        await world.pass_time(2)
        one = (world.pod.status.containerStatuses or [])[0]
        assert one.restartCount == 1
        assert one.lastState.terminated is not None
        assert one.lastState.terminated.exitCode == 7
        assert world.condition("Ready") == "True"


async def test_deleted_while_the_kubelet_was_away(world: World) -> None:
    async with world.running():
        world.add()
        await world.settle()
    await delete(world, 5)
    world.kubelet = world.new_kubelet()
    async with world.running():
        await world.pass_time(2)
        assert world.gone
    assert world.runtime.sandboxes == {}


async def test_a_stray_is_cleared_away(world: World) -> None:
    async with world.running():
        world.add()
        await world.settle()
    await delete(world, 0)  # nobody waits for the node
    world.kubelet = world.new_kubelet()
    async with world.running():
        await world.kubelet.pods.clear_strays(world.runtime)
        await world.pass_time(2)
    assert world.runtime.sandboxes == {}
    assert world.network.attachments == {}


async def test_a_sandbox_that_dies_is_made_again(world: World) -> None:
    async with world.running():
        world.add()
        await world.settle()
        world.runtime.kill_sandbox(next(iter(world.runtime.sandboxes)))
        await world.pass_time(2)
        assert world.condition("Ready") == "True"
        assert (world.pod.status.containerStatuses or [])[0].restartCount == 1
    assert "SandboxChanged" in world.reasons()


async def test_liveness_restarts_and_readiness_shows(world: World) -> None:
    from sampan.runtime.contract import ExecResult

    healthy = True

    def answer(argv: list[str]) -> ExecResult:
        return ExecResult(stdout=b"", stderr=b"ill", exit_code=0 if healthy else 1)

    world.runtime.behave("a", Behaviour(exec=answer))
    probe = {"exec": {"command": ["look"]}, "periodSeconds": 1, "failureThreshold": 2}
    async with world.running():
        world.add({"containers": [{"name": "a", "image": "app:1", "livenessProbe": probe, "readinessProbe": probe}]})
        await world.pass_time(1)
        assert world.condition("Ready") == "True"
        healthy = False
        for _ in range(10):
            if world.calls("start_container") == 1:
                await world.pass_time(0.5)
        healthy = True
        await world.pass_time(20)
        assert (world.pod.status.containerStatuses or [])[0].restartCount == 1
        assert world.condition("Ready") == "True"
    assert {"Unhealthy", "Killing"} <= set(world.reasons())


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


async def test_init_containers_run_first_and_one_by_one(world: World) -> None:
    world.runtime.behave("i", Behaviour(run_for=2))
    async with world.running():
        world.add({"initContainers": [{"name": "i", "image": "app:1"}]})
        await world.settle()
        assert world.state["waiting"]["reason"] == "PodInitializing"
        assert world.condition("Initialized") == "False"
        await world.pass_time(3)
        assert world.condition("Ready") == "True"


async def test_a_pod_that_asks_for_too_much_is_rejected(world: World) -> None:
    async with world.running():
        huge = {"name": "a", "image": "app:1", "resources": {"requests": {"cpu": "1000"}}}
        world.add({"containers": [huge]})
        await world.settle()
        assert (world.pod.status.phase, world.pod.status.reason) == ("Failed", "OutOfcpu")
        assert world.calls("run_sandbox") == 0


async def test_the_api_is_away_while_a_container_crashes(world: World) -> None:
    async with world.running():
        world.add()
        await world.settle()
        world.server.fail("PUT|PATCH", "/pods/p/status", ConnectionError("away"), times=0)
        world.runtime.exit(await world.container_id(), 1)
        await world.pass_time(2)
        assert world.calls("start_container") == 2


async def test_a_missing_config_map_is_waited_for(world: World) -> None:
    async with world.running():
        world.add(
            {
                "containers": [
                    {"name": "a", "image": "app:1", "envFrom": [{"configMapRef": {"name": "settings"}}]},
                ]
            }
        )
        await world.settle()
        assert world.state["waiting"] == {
            "reason": "CreateContainerConfigError",
            "message": 'configmap "settings" not found',
        }
        settings = core_v1.ConfigMap(data={"COLOR": "blue"})
        settings.metadata.name, settings.metadata.namespace = "settings", "ns"
        await world.server.client().resource(core_v1.ConfigMap).create(settings)
        await world.pass_time(12)
        assert world.condition("Ready") == "True"
        assert world.runtime.config_of(await world.container_id()).env["COLOR"] == "blue"


async def test_a_debugger_joins_a_running_pod(world: World) -> None:
    async with world.running():
        world.add()
        await world.settle()
        pod = world.pod
        pod.spec.ephemeralContainers = [core_v1.EphemeralContainer(name="d", image="app:1", targetContainerName="a")]
        world.server.add(pod)
        await world.settle()
        debugger = (world.pod.status.ephemeralContainerStatuses or [])[0]
        assert debugger.state.running is not None
        namespaces = world.runtime.config_of(await world.container_id("d")).security.namespaces
        assert namespaces.target_id == await world.container_id("a")
        assert (world.pod.status.containerStatuses or [])[0].restartCount == 0


async def test_a_resize_reaches_the_running_container(world: World) -> None:
    small = {"requests": {"cpu": "100m"}, "limits": {"cpu": "200m", "memory": "64Mi"}}
    async with world.running():
        world.add({"containers": [{"name": "a", "image": "app:1", "resources": small}]})
        await world.settle()
        pod = world.pod
        pod.spec.containers[0].resources.limits = {"cpu": "400m", "memory": "128Mi"}
        world.server.add(pod)
        await world.settle()
        given = (await world.runtime.container_status(await world.container_id())).resources
        assert (given.cpu_quota, given.memory_limit) == (40_000, 128 << 20)
        assert (world.pod.status.containerStatuses or [])[0].restartCount == 0
        assert world.condition("PodResizeInProgress") == ""
    told = {e.reason: e.message for e in world.server.all(core_v1.Event, namespace="ns")}
    amounts = '{"limits":{"cpu":"400m","memory":"128Mi"},"requests":{"cpu":"100m"}}'
    said = f'{{"containers":[{{"name":"a","resources":{amounts}}}],"generation":1}}'
    assert told["ResizeStarted"] == f"Pod resize started: {said}"
    assert told["ResizeCompleted"] == f"Pod resize completed: {said}"


async def test_a_resize_that_asks_for_a_restart(world: World) -> None:
    policy = [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]
    small = {"limits": {"memory": "64Mi"}, "requests": {"memory": "64Mi"}}
    async with world.running():
        world.add({"containers": [{"name": "a", "image": "app:1", "resources": small, "resizePolicy": policy}]})
        await world.settle()
        pod = world.pod
        pod.spec.containers[0].resources.limits = {"memory": "128Mi"}
        world.server.add(pod)
        await world.settle()
        given = (await world.runtime.container_status(await world.container_id())).resources
        assert given.memory_limit == 128 << 20
        assert (world.pod.status.containerStatuses or [])[0].restartCount == 1
        assert world.condition("PodResizeInProgress") == ""
    counted = {"Killing", "ResizeStarted", "ResizeCompleted"}  # the others happened before, and are counted there
    assert [r for r in world.reasons() if r in counted] == ["ResizeStarted", "Killing", "ResizeCompleted"]


async def test_a_resize_that_the_node_cannot_give(world: World) -> None:
    async with world.running():
        small = {"requests": {"cpu": "100m"}}
        world.add({"containers": [{"name": "a", "image": "app:1", "resources": small}]})
        await world.settle()
        pod = world.pod
        pod.spec.containers[0].resources.requests = {"cpu": "1000"}
        world.server.add(pod)
        await world.settle()
        told = next(c for c in world.pod.status.conditions or () if c.type == "PodResizePending")
        assert (told.status, told.reason) == ("True", "Infeasible")
        assert (told.message or "").startswith("Node didn't have enough capacity: cpu, requested: 1000000, capacity: ")
        one = (world.pod.status.containerStatuses or [])[0]
        assert (one.resources.requests if one.resources else None) == {"cpu": "100m"}
        pod = world.pod
        pod.spec.containers[0].resources.requests = {"cpu": "50m"}
        world.server.add(pod)
        await world.settle()
        assert world.condition("PodResizePending") == ""
    assert [r for r in world.reasons() if "Resize" in r] == ["ResizeInfeasible", "ResizeStarted", "ResizeCompleted"]


async def test_a_resize_waits_until_another_pod_has_gone(world: World) -> None:
    cpus = world.kubelet.machine.cpus
    async with world.running():
        world.add({"containers": [{"name": "a", "image": "app:1", "resources": {"requests": {"cpu": "100m"}}}]})
        await world.settle()
        large = {"requests": {"cpu": f"{cpus * 1000 - 200}m"}}
        other = {"containers": [{"name": "b", "image": "app:1", "resources": large}], "nodeName": "node-a"}
        world.server.add(make_pod(other, name="other", uid="other"))
        await world.settle()
        pod = world.pod
        pod.spec.containers[0].resources.requests = {"cpu": "500m"}
        pod.metadata.generation = 2
        world.server.add(pod)
        await world.settle()
        told = next(c for c in world.pod.status.conditions or () if c.type == "PodResizePending")
        assert (told.reason, told.observedGeneration) == ("Deferred", 2)
        # Held back as well: a container that is started anew meanwhile, and a kubelet that knows only what the API has
        assert (await world.runtime.container_status(await world.container_id())).resources.cpu_shares == 102
    world.kubelet = world.new_kubelet()
    async with world.running():
        await world.settle()
        assert world.condition("PodResizePending") == "True"
        pods = world.server.client().resource(core_v1.Pod)
        await pods.delete("other", namespace="ns", grace_period_seconds=0)
        await world.pass_time(3)
        assert world.condition("PodResizePending") == ""
        assert (await world.runtime.container_status(await world.container_id())).resources.cpu_shares == 512
        one = (world.pod.status.containerStatuses or [])[0]
        assert one.allocatedResources == {"cpu": "500m"}


async def test_less_memory_than_is_used(world: World) -> None:
    async with world.running():
        amounts = {"limits": {"memory": "64Mi"}, "requests": {"memory": "64Mi"}}
        world.add({"containers": [{"name": "a", "image": "app:1", "resources": amounts}]})
        await world.settle()
        pod = world.pod
        pod.spec.containers[0].resources = core_v1.ResourceRequirements(
            limits={"memory": "1Mi"}, requests={"memory": "1Mi"}
        )
        world.server.add(pod)
        await world.settle()
        told = next(c for c in world.pod.status.conditions or () if c.type == "PodResizeInProgress")
        assert told.reason == "Error"
        said = 'attempting to set container "a" memory limit (1048576) below current usage (2000000)'
        assert told.message == said
        one = (world.pod.status.containerStatuses or [])[0]
        assert one.resources is not None
        assert (one.resources.limits, one.allocatedResources) == ({"memory": "64Mi"}, {"memory": "1Mi"})
    assert "ResizeError" in world.reasons()


async def test_a_back_off_goes_on_over_a_restart_of_the_kubelet(world: World) -> None:
    world.runtime.behave("a", Behaviour(run_for=1, exit_code=1))
    async with world.running():
        world.add()
        await world.pass_time(40)
    before = world.calls("start_container")
    assert before == 4
    world.kubelet = world.new_kubelet()
    async with world.running():
        await world.pass_time(10)
        assert world.calls("start_container") == before
        assert world.state["waiting"]["reason"] == "CrashLoopBackOff"
        await world.pass_time(70)
        assert world.calls("start_container") == before + 1


async def test_a_crash_after_a_long_run_is_forgiven_over_a_restart_too(world: World) -> None:
    world.runtime.behave("a", *[Behaviour(run_for=1, exit_code=1)] * 3, Behaviour())
    async with world.running():
        world.add()
        await world.pass_time(60)
        await world.pass_time(700, step=100)
    before = world.calls("start_container")
    world.kubelet = world.new_kubelet()
    async with world.running():
        world.runtime.exit(await world.container_id(), 1)
        await world.pass_time(1)
        assert world.calls("start_container") == before + 1


async def test_a_pod_whose_network_cannot_be_made(world: World) -> None:
    world.network.fail = NetworkError("no address left")
    async with world.running():
        world.add()
        await world.settle()
        assert world.state["waiting"]["reason"] == "ContainerCreating"
        assert world.reasons() == ["FailedCreatePodSandBox"]
        await world.pass_time(11)
        assert world.condition("Ready") == "True"


async def test_a_second_delete_kills_at_once(world: World) -> None:
    world.runtime.behave("a", Behaviour(ignores_term=True))
    async with world.running():
        world.add()
        await world.settle()
        await delete(world, 60)
        await world.pass_time(3)
        assert not world.gone
        await delete(world, 1)
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


async def test_a_promise_that_cannot_be_kept_is_refused(world: World) -> None:
    async with world.running():
        world.add({"hostUsers": False})
        await world.settle()
        assert world.pod.status.phase == "Pending"
        told = next(e for e in world.server.all(core_v1.Event, namespace="ns") if e.reason == "FailedCreatePodSandBox")
        assert "user namespaces" in (told.message or "")
