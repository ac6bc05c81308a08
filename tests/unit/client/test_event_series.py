from collections.abc import AsyncIterator

import pytest

from sampan.api.types import core_v1, events_v1, meta_v1
from sampan.client.clock import FakeClock
from sampan.client.event_series import SeriesRecorder
from sampan.client.fake import FakeServer

POD = core_v1.Pod(metadata=meta_v1.ObjectMeta(name="web", namespace="default", uid="u1"))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def server(clock: FakeClock) -> FakeServer:
    return FakeServer(clock=clock)


@pytest.fixture
async def recorder(server: FakeServer, clock: FakeClock) -> AsyncIterator[SeriesRecorder]:
    recorder = SeriesRecorder(server.client(), "default-scheduler", host="h", clock=clock)
    recorder.start()
    yield recorder
    await recorder.stop()


def fail(recorder: SeriesRecorder, note: str = "0/1 nodes are available") -> None:
    recorder.event(POD, "Warning", "FailedScheduling", "Scheduling", note)


def series(server: FakeServer) -> list[int]:
    return [e.series.count if e.series else 1 for e in server.all(events_v1.Event)]


async def test_an_event_as_the_scheduler_writes_it(server: FakeServer, recorder: SeriesRecorder) -> None:
    recorder.event(POD, "Normal", "Scheduled", "Binding", "Successfully assigned default/web to n1")
    await recorder.flush()
    (event,) = server.all(events_v1.Event)
    assert event.eventTime == "2026-01-01T00:00:00.000000Z"
    assert (event.reportingController, event.reportingInstance) == ("default-scheduler", "default-scheduler-h")
    assert (event.type, event.reason, event.action) == ("Normal", "Scheduled", "Binding")
    assert event.note == "Successfully assigned default/web to n1"
    assert (event.regarding.kind, event.regarding.apiVersion, event.regarding.name) == ("Pod", "v1", "web")
    assert event.series is None
    assert event.deprecatedCount is None


async def test_repetition_is_written_once_and_then_only_counted(
    server: FakeServer, recorder: SeriesRecorder, clock: FakeClock
) -> None:
    for i in range(10):
        fail(recorder, f"0/{i} nodes are available")
        await clock.advance(10)
    assert series(server) == [2]
    assert len(server.writes()) == 2
    await clock.advance(800)
    assert series(server) == [10]  # it has not happened for six minutes: the series is over
    fail(recorder)
    await recorder.flush()
    assert series(server) == [10, 1]


async def test_a_series_that_goes_on_is_written_every_half_hour(
    server: FakeServer, recorder: SeriesRecorder, clock: FakeClock
) -> None:
    for _ in range(31):
        fail(recorder)
        await clock.advance(60)
    assert series(server)[0] >= 30


async def test_events_of_different_objects_or_reasons_stay_apart(server: FakeServer, recorder: SeriesRecorder) -> None:
    fail(recorder)
    recorder.event(POD, "Normal", "Preempted", "Preempting", "m")
    recorder.event(
        core_v1.Node(metadata=meta_v1.ObjectMeta(name="n")), "Warning", "FailedScheduling", "Scheduling", "m"
    )
    await recorder.flush()
    assert series(server) == [1, 1, 1]


async def test_a_series_whose_event_expired_begins_anew(server: FakeServer, recorder: SeriesRecorder) -> None:
    fail(recorder)
    await recorder.flush()
    await server.client().resource(events_v1.Event).delete_collection(namespace="default")
    fail(recorder)
    await recorder.flush()
    assert series(server) == [2]
