from collections.abc import AsyncIterator

import pytest

from sampan.api.errors import Forbidden
from sampan.api.types import core_v1, meta_v1
from sampan.client.clock import FakeClock, settle
from sampan.client.event_names import limited, reference_to
from sampan.client.events import WARNING, EventRecorder, FakeRecorder
from sampan.client.fake import FakeServer
from sampan.client.transport import ConnectionRefused

POD = core_v1.Pod(metadata=meta_v1.ObjectMeta(name="web", namespace="default", uid="u1", resourceVersion="7"))


@pytest.fixture
def server() -> FakeServer:
    return FakeServer(clock=FakeClock())


@pytest.fixture
async def recorder(server: FakeServer) -> AsyncIterator[EventRecorder]:
    recorder = EventRecorder(server.client(), "kubelet", host="n1", clock=server.clock)
    recorder.start()
    yield recorder
    await recorder.stop()


def events(server: FakeServer) -> list[core_v1.Event]:
    return server.all(core_v1.Event)


async def test_an_event_as_kubernetes_writes_it(server: FakeServer, recorder: EventRecorder) -> None:
    recorder.event(POD, "Normal", "Pulled", "it is there", field_path="spec.containers{a}")
    await recorder.flush()
    (event,) = events(server)
    name, _, stamp = (event.metadata.name or "").rpartition(".")
    assert (name, int(stamp, 16)) == ("web", 1767225600 * 10**9)
    assert event.metadata.namespace == "default"
    about = event.involvedObject
    assert (about.kind, about.name, about.uid, about.resourceVersion) == ("Pod", "web", "u1", "7")
    assert about.fieldPath == "spec.containers{a}"
    assert (event.type, event.reason, event.message, event.count) == ("Normal", "Pulled", "it is there", 1)
    assert (event.source.component, event.source.host) == ("kubelet", "n1")
    assert (event.reportingComponent, event.reportingInstance) == ("kubelet", "n1")
    assert event.firstTimestamp == event.lastTimestamp == "2026-01-01T00:00:00Z"


async def test_the_same_event_again_is_counted(server: FakeServer, recorder: EventRecorder) -> None:
    assert isinstance(server.clock, FakeClock)
    for _ in range(3):
        recorder.event(POD, WARNING, "BackOff", "again")
        await server.clock.advance(10)
    (event,) = events(server)
    assert (event.count, event.firstTimestamp, event.lastTimestamp) == (
        3,
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:00:20Z",
    )
    assert [r.method for r in server.writes()] == ["POST", "PATCH", "PATCH"]


async def test_an_event_that_expired_begins_anew(server: FakeServer, recorder: EventRecorder) -> None:
    recorder.event(POD, WARNING, "BackOff", "again")
    await recorder.flush()
    await server.client().resource(core_v1.Event).delete_collection(namespace="default")
    recorder.event(POD, WARNING, "BackOff", "again")
    await recorder.flush()
    (event,) = events(server)
    assert event.count == 2
    recorder.event(POD, WARNING, "BackOff", "again")
    await recorder.flush()
    assert [e.count for e in events(server)] == [3]


async def test_similar_events_become_one(server: FakeServer, recorder: EventRecorder) -> None:
    for i in range(12):
        recorder.event(POD, WARNING, "Failed", f"try {i}")
    await recorder.flush()
    plain = [e for e in events(server) if not (e.message or "").startswith("(combined")]
    (combined,) = [e for e in events(server) if (e.message or "").startswith("(combined")]
    assert len(plain) == 9
    assert combined.message == "(combined from similar events): try 11"
    assert combined.count == 3


async def test_similar_events_long_after_each_other_stay_apart(server: FakeServer, recorder: EventRecorder) -> None:
    assert isinstance(server.clock, FakeClock)
    for i in range(12):
        recorder.event(POD, WARNING, "Failed", f"try {i}")
        await server.clock.advance(601)
    assert len(events(server)) == 12


async def test_a_flood_about_one_object_is_cut_off_and_others_are_heard(
    server: FakeServer, recorder: EventRecorder
) -> None:
    for i in range(40):
        recorder.event(POD, "Normal", f"Reason{i}", "m")
    other = core_v1.ObjectReference(kind="Pod", name="other", namespace="default")
    recorder.event(other, "Normal", "Reason", "m")
    await recorder.flush()
    about = [e.involvedObject.name for e in events(server)]
    assert (about.count("web"), about.count("other")) == (25, 1)
    assert isinstance(server.clock, FakeClock)
    await server.clock.advance(301)
    for i in range(2):
        recorder.event(POD, "Normal", f"Later{i}", "m")
    await recorder.flush()
    assert [e.involvedObject.name for e in events(server)].count("web") == 26


async def test_an_absent_server_holds_nobody_up_and_nothing_is_lost(
    server: FakeServer, recorder: EventRecorder
) -> None:
    server.fail("POST", "/events$", ConnectionRefused("gone"), times=3)
    recorder.event(POD, "Normal", "Pulled", "m")
    await settle()
    assert events(server) == []
    assert isinstance(server.clock, FakeClock)
    await server.clock.advance(31)
    assert len(events(server)) == 1


async def test_a_refused_event_is_let_go(server: FakeServer, recorder: EventRecorder) -> None:
    server.fail("POST", "/events$", Forbidden("the namespace is being terminated"))
    recorder.event(POD, "Normal", "Pulled", "m")
    recorder.event(POD, "Normal", "Started", "m")
    await recorder.flush()
    assert [e.reason for e in events(server)] == ["Started"]


async def test_the_queue_is_bounded(server: FakeServer) -> None:
    recorder = EventRecorder(server.client(), "kubelet", clock=server.clock)
    for i in range(5500):
        recorder.event(POD, "Normal", f"R{i}", "m")
    assert recorder.dropped == 500
    await recorder.stop()


def test_messages_are_cut_at_1024_bytes() -> None:
    assert limited("x" * 1024) == "x" * 1024
    cut = limited("배" * 1000)
    assert len(cut.encode()) <= 1024
    assert cut.endswith("배...")


def test_a_reference_names_the_kind_even_of_an_object_that_says_none() -> None:
    assert reference_to(POD).kind == "Pod"
    assert reference_to({"kind": "Boat", "apiVersion": "x/v1", "metadata": {"name": "b"}}).kind == "Boat"
    fake = FakeRecorder()
    fake.event(POD, WARNING, "Failed", "m")
    assert [str(e) for e in fake.events] == ["Warning Failed m"]
