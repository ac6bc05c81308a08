"""Hours in milliseconds: what waits for time, with a clock that a test steps."""

import asyncio
import base64

from sampan.api import times
from sampan.api.types import batch_v1, core_v1, meta_v1
from sampan.client.clock import FakeClock
from sampan.client.fake import FakeServer
from sampan.controllers import ControllersConfig, run

DAY = 86400


class Running:
    def __init__(self, *names: str) -> None:
        self.clock = FakeClock()
        self.server = FakeServer(clock=self.clock)
        self._config = ControllersConfig(controllers=names)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(run(self.server.client, self._config, clock=self.clock))
        await self.clock.advance(0.1)

    async def stop(self) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def test_a_job_goes_when_its_day_is_over_and_not_before() -> None:
    running = Running("ttl-after-finished-controller")
    ended = batch_v1.JobCondition(type="Complete", status="True", lastTransitionTime=times.format(running.clock.now()))
    job = batch_v1.Job(
        metadata=meta_v1.ObjectMeta(name="j", namespace="n", uid="u"),
        spec=batch_v1.JobSpec(ttlSecondsAfterFinished=DAY),
        status=batch_v1.JobStatus(conditions=[ended]),
    )
    running.server.add(job)
    await running.start()
    await running.clock.advance(DAY - 60)
    assert running.server.get(batch_v1.Job, "j", namespace="n") is not None
    assert running.server.writes() == []
    await running.clock.advance(120)
    deletes = [r for r in running.server.writes() if r.method == "DELETE"]
    assert [r.json["propagationPolicy"] for r in deletes] == ["Foreground"]
    await running.stop()


async def test_a_token_goes_when_it_expires() -> None:
    running = Running("token-cleaner-controller")
    ends = times.format(running.clock.now() + 3600)
    secret = core_v1.Secret(
        metadata=meta_v1.ObjectMeta(name="bootstrap-token-x", namespace="kube-system", uid="u"),
        type="bootstrap.kubernetes.io/token",
        data={"expiration": base64.b64encode(ends.encode()).decode()},
    )
    running.server.add(secret)
    await running.start()
    await running.clock.advance(3590)
    assert running.server.get(core_v1.Secret, "bootstrap-token-x", namespace="kube-system") is not None
    await running.clock.advance(20)
    assert running.server.get(core_v1.Secret, "bootstrap-token-x", namespace="kube-system") is None
    await running.stop()


async def test_pods_tolerate_a_taint_for_as_long_as_they_say() -> None:
    running = Running("taint-eviction-controller")
    now = times.format(running.clock.now())
    taint = core_v1.Taint(key="node.kubernetes.io/unreachable", effect="NoExecute", timeAdded=now)
    running.server.add(
        core_v1.Node(metadata=meta_v1.ObjectMeta(name="n", uid="n"), spec=core_v1.NodeSpec(taints=[taint]))
    )
    for name, seconds in (("soon", 300), ("later", 3000), ("never", None)):
        toleration = core_v1.Toleration(
            key="node.kubernetes.io/unreachable", operator="Exists", effect="NoExecute", tolerationSeconds=seconds
        )
        running.server.add(
            core_v1.Pod(
                metadata=meta_v1.ObjectMeta(name=name, namespace="d", uid=name),
                spec=core_v1.PodSpec(nodeName="n", tolerations=[toleration]),
            )
        )

    def leaving() -> set[str]:
        return {r.name for r in running.server.writes() if r.method == "DELETE"}

    await running.start()
    await running.clock.advance(290)
    assert leaving() == set()
    await running.clock.advance(20)
    assert leaving() == {"soon"}
    await running.clock.advance(DAY)
    assert leaving() == {"soon", "later"}
    await running.stop()


async def test_a_node_may_be_silent_for_forty_seconds() -> None:
    running = Running("node-lifecycle-controller")
    conditions = [core_v1.NodeCondition(type="Ready", status="True", lastHeartbeatTime="2026-01-01T00:00:00Z")]
    for name in ("silent", "other"):
        running.server.add(
            core_v1.Node(
                metadata=meta_v1.ObjectMeta(name=name, uid=name), status=core_v1.NodeStatus(conditions=conditions)
            )
        )

    def ready(name: str) -> str:
        node = running.server.get(core_v1.Node, name)
        assert node is not None
        return next(c.status for c in node.status.conditions or () if c.type == "Ready")

    await running.start()
    await running.clock.advance(39)
    assert (ready("silent"), ready("other")) == ("True", "True")
    client = running.server.client()
    await client.resource(core_v1.Node).patch(  # a heartbeat
        "other",
        {"status": {"conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": "2026-01-01T00:00:39Z"}]}},
        subresource="status",
    )
    await running.clock.advance(5)
    assert (ready("silent"), ready("other")) == ("Unknown", "True")
    node = running.server.get(core_v1.Node, "silent")
    assert node is not None
    assert {(t.key, t.effect) for t in node.spec.taints or ()} == {
        ("node.kubernetes.io/unreachable", "NoSchedule"),
        ("node.kubernetes.io/unreachable", "NoExecute"),
    }
    await running.stop()


async def test_a_stuck_namespace_is_looked_at_ever_more_rarely() -> None:
    from sampan.controllers.namespace.controller import FIRST_LOOK, LAST_LOOK, Namespaces

    looks = Namespaces.__new__(Namespaces)
    looks.looks = {}
    waits = [looks._next_look("n") for _ in range(12)]
    assert waits[0] == FIRST_LOOK
    assert waits[-1] == LAST_LOOK
    assert waits == sorted(waits)
