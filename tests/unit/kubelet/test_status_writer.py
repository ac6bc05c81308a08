"""Statuses reach the API server: the newest, once, through conflicts and absences."""

from __future__ import annotations

import asyncio
from typing import Any

from sampan.api.errors import Conflict
from sampan.api.types import core_v1
from sampan.client.clock import FakeClock, settle
from sampan.client.fake import FakeServer
from sampan.client.transport import TransportError
from sampan.kubelet.status_writer import StatusWriter
from tests.unit.kubelet.pods import make_pod

READY = core_v1.PodCondition(type="Ready", status="True")


class Bench:
    def __init__(self, **meta: Any) -> None:
        self.clock = FakeClock()
        self.server = FakeServer(clock=self.clock)
        self.mirror: core_v1.Pod | None = None
        self.writer = StatusWriter(self.server.client(), self.clock, mirror_of=lambda _: self.mirror)
        self.server.add(make_pod(**meta))

    @property
    def pod(self) -> core_v1.Pod:
        found = self.server.get(core_v1.Pod, "p", namespace="ns")
        assert found is not None
        return found

    def put(self, phase: str, pod: core_v1.Pod | None = None) -> None:
        self.writer.put(pod or self.pod, core_v1.PodStatus(phase=phase, conditions=[READY]))

    def writes(self) -> int:
        return len(self.server.writes())


async def test_the_newest_is_written_and_the_same_not_twice() -> None:
    bench = Bench()
    for phase in ("Pending", "Running", "Succeeded"):
        bench.put(phase)
    await settle()
    assert bench.pod.status.phase == "Succeeded"
    assert bench.writes() == 1
    bench.put("Succeeded")
    await settle()
    assert bench.writes() == 1


async def test_a_conflict_keeps_what_others_said() -> None:
    bench = Bench()
    seen = bench.pod
    newer = bench.pod
    newer.status.conditions = [core_v1.PodCondition(type="x/y", status="True")]
    bench.server.add(newer)
    bench.server.fail("PUT", "/status", Conflict("changed"))
    bench.put("Running", seen)
    await settle()
    assert bench.pod.status.phase == "Running"
    assert {c.type for c in bench.pod.status.conditions or ()} == {"x/y", "Ready"}


async def test_it_waits_while_the_server_is_away() -> None:
    bench = Bench()
    bench.server.fail("PUT", "/status", TransportError("away"), times=3)
    bench.put("Running")
    await settle()
    bench.put("Succeeded")
    await bench.clock.advance(5)
    assert bench.pod.status.phase == "Succeeded"


async def test_the_end_waits_for_the_last_word() -> None:
    bench = Bench()
    bench.server.fail("PUT", "/status", TransportError("away"))
    bench.put("Succeeded")
    task = asyncio.ensure_future(bench.writer.finish(bench.pod))
    await settle()
    assert not task.done()
    await bench.clock.advance(2)
    await task
    assert [r.method for r in bench.server.writes()] == ["PUT", "PUT", "DELETE"]
    assert bench.server.get(core_v1.Pod, "p", namespace="ns") is None


async def test_a_successor_of_the_same_name_is_left_alone() -> None:
    bench = Bench()
    old = bench.pod
    bench.server.add(make_pod(uid="another"))
    await bench.writer.finish(old)
    assert bench.pod.metadata.uid == "another"
    bench.put("Running", old)
    await settle()
    assert bench.pod.status.phase != "Running"


async def test_a_static_pods_status_waits_for_its_mirror() -> None:
    bench = Bench()
    static = make_pod(uid="digest", annotations={"kubernetes.io/config.source": "file"})
    bench.put("Running", static)
    await settle()
    assert bench.writes() == 0
    bench.mirror = bench.pod
    bench.writer.resend("digest", bench.pod)
    await settle()
    assert bench.pod.status.phase == "Running"


async def test_what_is_put_just_as_the_writer_is_done_is_written_too() -> None:
    """The last write of one status and the next one may fall into the same turn of the loop."""
    bench = Bench()
    for turns in range(12):
        bench.put("Running" if turns % 2 else "Pending")
        for _ in range(turns):
            await asyncio.sleep(0)
        bench.put("Succeeded" if turns % 2 else "Failed")
        await settle()
        assert bench.pod.status.phase == ("Succeeded" if turns % 2 else "Failed"), turns
