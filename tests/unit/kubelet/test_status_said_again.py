"""What others wrote over a Pod's status while its node was not heard of is put right."""

from typing import Any

from sampan.api.types import core_v1, meta_v1
from sampan.client.clock import FakeClock, settle
from sampan.client.fake import FakeServer
from sampan.kubelet.status_writer import StatusWriter


def pod(ready: str) -> core_v1.Pod:
    return core_v1.Pod(
        metadata=meta_v1.ObjectMeta(name="p", namespace="n", uid="u"),
        spec=core_v1.PodSpec(nodeName="node"),
        status=core_v1.PodStatus(phase="Running", conditions=[core_v1.PodCondition(type="Ready", status=ready)]),
    )


def stored(server: FakeServer) -> core_v1.Pod:
    found = server.get(core_v1.Pod, "p", namespace="n")
    assert found is not None
    return found


def conditions(server: FakeServer) -> dict[str, str]:
    return {c.type: c.status for c in stored(server).status.conditions or ()}


async def say(server: FakeServer, *conditions: dict[str, Any]) -> core_v1.Pod:
    return (
        await server.client()
        .resource(core_v1.Pod)
        .patch("p", {"status": {"conditions": list(conditions)}}, namespace="n", subresource="status")
    )


async def test_it_is_said_again_and_others_conditions_stay() -> None:
    server = FakeServer(clock=FakeClock())
    server.add(pod("False"))
    writer = StatusWriter(server.client(), server.clock, mirror_of=lambda _: None)
    writer.put(stored(server), pod("True").status)
    await settle()
    assert conditions(server) == {"Ready": "True"}
    writes = len(server.writes())
    writer.check(stored(server))
    await settle()
    assert len(server.writes()) == writes, "its own write is no news"
    changed = await say(server, {"type": "Ready", "status": "True"}, {"type": "example.com/gate", "status": "True"})
    writes = len(server.writes())
    writer.check(changed)
    await settle()
    assert len(server.writes()) == writes, "somebody else's condition is theirs"
    changed = await say(server, {"type": "Ready", "status": "False"}, {"type": "example.com/gate", "status": "True"})
    writer.check(changed)
    await settle()
    assert conditions(server) == {"Ready": "True", "example.com/gate": "True"}
