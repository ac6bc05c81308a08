"""Whatever is done to them and in whatever order they hear of it: after quiet there are as many Pods as declared.

The controllers run against the fake API server. Watches are held up per resource, broken and forgotten, requests fail,
Pods are deleted, end, become ready or are orphaned, the controllers are killed; between two steps time passes or not.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sampan.api.errors import ApiError, Conflict, InternalError
from sampan.api.scheme import BUILT_IN_SCHEME
from sampan.api.types import apps_v1, batch_v1, core_v1, meta_v1
from sampan.client.clock import FakeClock, rfc3339, settle
from sampan.client.fake import FakeServer
from sampan.client.fake_world import Change
from sampan.client.transport import TransportError
from sampan.controllers import ControllersConfig, run
from sampan.controllers.daemon_set.places import node_of
from sampan.controllers.job.view import FINALIZER
from sampan.controllers.owned_pods import controller_of, is_active

LABELS = {"app": "x"}
CONTROLLERS = (
    "replicaset-controller",
    "deployment-controller",
    "statefulset-controller",
    "daemonset-controller",
    "job-controller",
)


class Story:
    """What happens, step by step; `quiet` lets everything come to rest."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.server = FakeServer(clock=self.clock)
        self.client = self.server.client("user")
        self._publish = self.server.world.listener
        self._held: dict[str, list[Change]] = {}
        self.server.world.listener = self._hear
        self._task: asyncio.Task[None] | None = None
        self.most_active = 0  # Pods there ever were at a time

    # --- the world around ---

    def _hear(self, change: Change) -> None:
        if change.info is not None and change.info.resource == "pods":
            self.most_active = max(self.most_active, sum(is_active(p) for p in self.pods()))
        held = self._held.get(change.info.resource) if change.info is not None else None
        if held is not None:
            held.append(change)
        else:
            self._publish(change)

    def hold(self, resource: str) -> None:
        """From now on nobody hears of changes of this resource."""
        self._held.setdefault(resource, [])

    def let_go(self, resource: str) -> None:
        for change in self._held.pop(resource, []):
            self._publish(change)

    async def start(self) -> None:
        config = ControllersConfig(controllers=CONTROLLERS)
        self._task = asyncio.create_task(run(self.server.client, config, clock=self.clock))
        await settle()

    async def kill(self) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def quiet(self) -> None:
        for resource in list(self._held):
            self.let_go(resource)
        self.server.break_watches(TransportError("the line is dead"))
        self.server.world.listener = self._publish
        for _ in range(40):
            await self.clock.advance(30)
            self.finish_deletions()

    # --- what Pods do ---

    def pods(self) -> list[core_v1.Pod]:
        return self.server.all(core_v1.Pod, namespace="n")

    def finish_deletions(self) -> None:
        """The kubelet's part: what is going has gone."""
        for pod in self.pods():
            if pod.metadata.deletionTimestamp and not pod.metadata.finalizers:
                self.server.world.delete(
                    BUILT_IN_SCHEME.for_type(core_v1.Pod), "n", pod.metadata.name or "", {"gracePeriodSeconds": 0}
                )

    def change(self, which: int, alter: Callable[[core_v1.Pod], None]) -> None:
        pods = [p for p in self.pods() if is_active(p)]
        if pods:
            pod = pods[which % len(pods)]
            alter(pod)
            self.server.add(pod)

    async def delete(self, which: int) -> None:
        pods = self.pods()
        if pods:
            pod = pods[which % len(pods)]
            try:
                await self.client.resource(core_v1.Pod).delete(pod.metadata.name or "", namespace="n")
            except ApiError:
                return  # gone already, or the server has a bad moment


def ready(pod: core_v1.Pod) -> None:
    at = rfc3339(1_767_225_600.0)
    pod.status.phase = "Running"
    pod.status.conditions = [core_v1.PodCondition(type="Ready", status="True", lastTransitionTime=at)]


def fail(pod: core_v1.Pod) -> None:
    pod.status.phase = "Failed"


def orphan(pod: core_v1.Pod) -> None:
    pod.metadata.ownerReferences = None


def template() -> core_v1.PodTemplateSpec:
    meta = meta_v1.ObjectMeta(labels=dict(LABELS))
    return core_v1.PodTemplateSpec(
        metadata=meta, spec=core_v1.PodSpec(containers=[core_v1.Container(name="a", image="i")], restartPolicy="Never")
    )


def selector() -> meta_v1.LabelSelector:
    return meta_v1.LabelSelector(matchLabels=dict(LABELS))


STEPS = st.one_of(
    st.tuples(st.just("scale"), st.integers(0, 6)),
    st.tuples(st.just("delete"), st.integers(0, 9)),
    st.tuples(st.just("ready"), st.integers(0, 9)),
    st.tuples(st.just("fail"), st.integers(0, 9)),
    st.tuples(st.just("hold"), st.sampled_from(["pods", "owners"])),
    st.tuples(st.just("let go"), st.sampled_from(["pods", "owners"])),
    st.tuples(st.just("break"), st.integers(0, 2)),
    st.tuples(st.just("refuse"), st.sampled_from(["POST", "PUT", "DELETE", "PATCH"])),
    st.tuples(st.just("kill"), st.integers(0, 30)),
    st.tuples(st.just("wait"), st.sampled_from([0.0, 0.01, 1.0, 30.0])),
    st.tuples(st.just("gone"), st.just(0)),
)
Steps = list[tuple[str, Any]]
# Who does not wait for what it has written makes too many here.
BLIND: Steps = [("hold", "pods"), ("scale", 4), ("wait", 1.0), ("scale", 6), ("wait", 1.0), ("scale", 5), ("wait", 1.0)]


async def play(story: Story, steps: Steps, scale: Callable[[int], Any], owners: str) -> None:
    for word, value in steps:
        if word == "scale":
            await scale(value)
        elif word == "delete":
            await story.delete(value)
        elif word in ("ready", "fail"):
            story.change(value, ready if word == "ready" else fail)
        elif word == "hold":
            story.hold(owners if value == "owners" else value)
        elif word == "let go":
            story.let_go(owners if value == "owners" else value)
        elif word == "break":
            story.server.break_watches([None, TransportError("cut"), InternalError("no")][value])
            if value == 2:
                story.server.compact()
        elif word == "refuse":
            story.server.fail(value, "/pods", Conflict("no") if value == "PUT" else InternalError("no"), times=2)
        elif word == "kill":
            for _ in range(value):
                await asyncio.sleep(0)
            await story.kill()
            await story.start()
        elif word == "wait":
            await story.clock.advance(value)
        elif word == "gone":
            story.finish_deletions()


def told(test: Callable[[Steps], Any]) -> Any:
    checked = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])(test)
    return example(BLIND)(given(st.lists(STEPS, max_size=25))(checked))


@told
def test_a_replica_set(steps: Steps) -> None:
    async def story() -> None:
        told = Story()
        sets = told.client.resource(apps_v1.ReplicaSet)
        wanted = most = 3
        spec = apps_v1.ReplicaSetSpec(replicas=3, selector=selector(), template=template())
        await sets.create(apps_v1.ReplicaSet(metadata=meta_v1.ObjectMeta(name="r", namespace="n"), spec=spec))
        await told.start()

        async def scale(number: int) -> None:
            nonlocal wanted, most
            wanted, most = number, max(most, number)
            await sets.patch("r", {"spec": {"replicas": number}}, namespace="n")

        await play(told, steps, scale, "replicasets")
        await told.quiet()
        active = [p for p in told.pods() if is_active(p)]
        assert len(active) == wanted
        assert (await sets.get("r", namespace="n")).status.replicas == wanted
        assert all(controller_of(p.metadata) for p in active)
        assert told.most_active <= most, "never one too many, not even for a moment"
        await told.kill()

    asyncio.run(story())


@told
def test_a_deployment_that_rolls(steps: Steps) -> None:
    async def story() -> None:
        told = Story()
        deployments = told.client.resource(apps_v1.Deployment)
        wanted, version = 3, 0
        spec = apps_v1.DeploymentSpec(
            replicas=3,
            selector=selector(),
            template=template(),
            strategy=apps_v1.DeploymentStrategy(
                type="RollingUpdate",
                rollingUpdate=apps_v1.RollingUpdateDeployment(maxSurge=1, maxUnavailable=0),
            ),
        )
        await deployments.create(apps_v1.Deployment(metadata=meta_v1.ObjectMeta(name="d", namespace="n"), spec=spec))
        await told.start()

        async def scale(number: int) -> None:
            nonlocal wanted, version
            version += 1
            found = await deployments.get("d", namespace="n")
            found.spec.replicas = number
            if number % 2:
                found.spec.template.spec.containers[0].image = f"i{version % 3}"
            with contextlib.suppress(Conflict):
                await deployments.update(found)
                wanted = number

        await play(told, steps, scale, "replicasets")
        for _ in range(12):  # what runs becomes ready, so that the rollout goes on
            await told.quiet()
            for at in range(12):
                told.change(at, ready)
        await told.quiet()
        active = [p for p in told.pods() if is_active(p)]
        found = await deployments.get("d", namespace="n")
        images = {p.spec.containers[0].image for p in active}
        assert len(active) == wanted == (found.status.replicas or 0)
        assert images <= {found.spec.template.spec.containers[0].image}
        await told.kill()

    asyncio.run(story())


@told
def test_a_stateful_set(steps: Steps) -> None:
    async def story() -> None:
        told = Story()
        sets = told.client.resource(apps_v1.StatefulSet)
        wanted = 3
        spec = apps_v1.StatefulSetSpec(
            replicas=3, selector=selector(), template=template(), podManagementPolicy="Parallel"
        )
        await sets.create(apps_v1.StatefulSet(metadata=meta_v1.ObjectMeta(name="s", namespace="n"), spec=spec))
        await told.start()

        async def scale(number: int) -> None:
            nonlocal wanted
            wanted = number
            await sets.patch("s", {"spec": {"replicas": number}}, namespace="n")

        await play(told, steps, scale, "statefulsets")
        await told.quiet()
        assert sorted(p.metadata.name or "" for p in told.pods()) == [f"s-{i}" for i in range(wanted)]
        await told.kill()

    asyncio.run(story())


@told
def test_a_daemon_set(steps: Steps) -> None:
    async def story() -> None:
        told = Story()
        nodes: set[str] = set()
        spec = apps_v1.DaemonSetSpec(selector=selector(), template=template())
        daemons = told.client.resource(apps_v1.DaemonSet)
        await daemons.create(apps_v1.DaemonSet(metadata=meta_v1.ObjectMeta(name="d", namespace="n"), spec=spec))
        await told.start()

        async def scale(number: int) -> None:
            """That many nodes."""
            for at in range(6):
                name, resource = f"n{at}", told.client.resource(core_v1.Node)
                if at < number and name not in nodes:
                    await resource.create(core_v1.Node(metadata=meta_v1.ObjectMeta(name=name)))
                    nodes.add(name)
                elif at >= number and name in nodes:
                    await resource.delete(name)
                    nodes.discard(name)

        await play(told, steps, scale, "nodes")
        await told.quiet()
        assert sorted(node_of(p) for p in told.pods() if is_active(p)) == sorted(nodes)
        await told.kill()

    asyncio.run(story())


@told
def test_a_job_counts_every_pod_once(steps: Steps) -> None:
    async def story() -> None:
        told = Story()
        jobs = told.client.resource(batch_v1.Job)
        spec = batch_v1.JobSpec(
            completions=5, parallelism=2, backoffLimit=1000, selector=selector(), template=template()
        )
        await jobs.create(batch_v1.Job(metadata=meta_v1.ObjectMeta(name="j", namespace="n"), spec=spec))
        await told.start()
        succeeded: set[str] = set()

        def succeed(pod: core_v1.Pod) -> None:
            pod.status.phase = "Succeeded"
            succeeded.add(pod.metadata.uid or "")

        async def scale(number: int) -> None:
            """One more Pod succeeds."""
            told.change(number, succeed)

        await play(told, steps, scale, "jobs")
        for _ in range(12):
            await told.quiet()
            told.change(0, succeed)
        found = await jobs.get("j", namespace="n")
        assert found.status.succeeded == len(succeeded)
        assert len(succeeded) >= 5
        assert [c.type for c in found.status.conditions or () if c.status == "True"][-1] == "Complete"
        assert not [p for p in told.pods() if FINALIZER in (p.metadata.finalizers or ())]
        await told.kill()

    asyncio.run(story())
