"""Whole lives of Pods, through the API, with a runtime that runs nothing."""

from __future__ import annotations

from sampan.api.types import core_v1, meta_v1, node_v1
from sampan.network.contract import NetworkError
from sampan.runtime.contract import ImagePullError
from sampan.runtime.fake import Behaviour
from tests.unit.kubelet.world import World


async def test_created_runs_and_is_deleted(world: World) -> None:
    async with world.running():
        world.add()
        await world.settle()
        assert world.pod.status.phase == "Running"
        assert world.condition("Ready") == "True"
        assert world.pod.status.podIP == "10.244.0.2"
        assert world.pod.status.hostIP == "192.0.2.1"
        await world.delete(5)
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


async def test_a_stray_is_cleared_away(world: World) -> None:
    async with world.running():
        world.add()
        await world.settle()
    await world.delete(0)  # nobody waits for the node
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


async def test_a_container_with_a_policy_of_its_own_comes_again(world: World) -> None:
    world.runtime.behave("a", *[Behaviour(run_for=0.1, exit_code=42), Behaviour()])
    rule = {"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}
    one = {"name": "a", "image": "app:1", "restartPolicy": "Never", "restartPolicyRules": [rule]}
    async with world.running():
        world.add({"restartPolicy": "Never", "containers": [one]})
        await world.pass_time(15)
        assert (world.pod.status.phase, world.condition("Ready")) == ("Running", "True")
        assert (world.pod.status.containerStatuses or [])[0].restartCount == 1


async def test_one_container_starts_them_all_again(world: World) -> None:
    world.runtime.behave("i", Behaviour(run_for=0.1))
    world.runtime.behave("a", *[Behaviour(run_for=1, exit_code=42), Behaviour()])
    rule = {"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [42]}}
    one = {"name": "a", "image": "app:1", "restartPolicy": "Never", "restartPolicyRules": [rule]}
    both = {"initContainers": [{"name": "i", "image": "app:1"}], "containers": [one, {"name": "b", "image": "app:1"}]}
    async with world.running():
        world.add({"restartPolicy": "Never", **both})
        await world.pass_time(1)
        before = world.pod.status.podIP
        await world.pass_time(30)
        status = world.pod.status
        assert (status.phase, world.condition("Ready"), status.podIP) == ("Running", "True", before)
        every = [*(status.initContainerStatuses or ()), *(status.containerStatuses or ())]
        assert {s.name: s.restartCount for s in every} == {"i": 1, "a": 1, "b": 1}
        assert all(s.lastState.terminated is not None for s in every)
        assert world.condition("AllContainersRestarting") == "False"


async def test_a_runtime_class_names_a_handler(world: World) -> None:
    async with world.running():
        world.add({"runtimeClassName": "safe"})
        await world.settle()
        assert "FailedCreatePodSandBox" in world.reasons()
        sandboxed = node_v1.RuntimeClass(metadata=meta_v1.ObjectMeta(name="safe"), handler="crun")
        world.server.add(sandboxed)
        await world.pass_time(15)
        assert world.condition("Ready") == "True"
        assert list(world.runtime.handlers.values()) == ["crun"]
