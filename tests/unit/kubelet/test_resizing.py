"""A Pod gets other limits while it runs: at once, later, never, or by a restart; and who is told."""

from __future__ import annotations

from sampan.api.types import core_v1
from tests.unit.kubelet.pods import make_pod
from tests.unit.kubelet.world import World


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


async def test_a_pod_as_a_whole_is_resized(world: World) -> None:
    """The Pod's own cgroup gets what it is to have; the containers in it are left alone."""
    async with world.running():
        small = {"requests": {"cpu": "100m", "memory": "32Mi"}, "limits": {"cpu": "200m", "memory": "64Mi"}}
        world.add({"resources": small})
        await world.settle()
        pod = world.pod
        assert pod.status.resources is not None
        assert (pod.status.resources.limits, pod.status.allocatedResources) == (small["limits"], small["requests"])
        assert pod.spec.resources is not None
        pod.spec.resources.limits = {"cpu": "400m", "memory": "128Mi"}
        world.server.add(pod)
        await world.settle()
        (box,) = await world.runtime.list_sandboxes()
        assert box.resources is not None
        assert (box.resources.cpu_quota, box.resources.memory_limit) == (40_000, 128 << 20)
        resources = world.pod.status.resources
        assert resources is not None
        assert resources.limits == {"cpu": "400m", "memory": "128Mi"}
        assert (world.pod.status.containerStatuses or [])[0].restartCount == 0
        assert world.condition("PodResizeInProgress") == ""
        assert {"ResizeStarted", "ResizeCompleted"} <= set(world.reasons())


async def test_a_pod_as_a_whole_wants_more_than_there_is(world: World) -> None:
    async with world.running():
        small = {"limits": {"memory": "64Mi"}, "requests": {"memory": "64Mi"}}
        world.add({"resources": small})
        await world.settle()
        pod = world.pod
        assert pod.spec.resources is not None
        pod.spec.resources.limits = pod.spec.resources.requests = {"memory": "9000Gi"}
        world.server.add(pod)
        await world.settle()
        told = next(c for c in world.pod.status.conditions or () if c.type == "PodResizePending")
        assert told.reason == "Infeasible"
        (box,) = await world.runtime.list_sandboxes()
        assert box.resources is not None
        assert box.resources.memory_limit == 64 << 20


async def test_a_pod_is_not_given_less_than_it_uses(world: World) -> None:
    async with world.running():
        large = {"limits": {"memory": "64Mi"}, "requests": {"memory": "1Mi"}}
        world.add({"resources": large})
        await world.settle()
        pod = world.pod
        assert pod.spec.resources is not None
        pod.spec.resources.limits = {"memory": "1Mi"}  # the runtime tells of 2 MB that are in use
        world.server.add(pod)
        await world.settle()
        told = next(c for c in world.pod.status.conditions or () if c.type == "PodResizeInProgress")
        assert told.reason == "Error"
        assert told.message == "attempting to set pod memory limit (1048576) below current usage (2000000)"
