"""Who is told why, and when: at once if nothing else is to be done, and after what matters more otherwise."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

import pytest

from sampan.api.errors import InternalError
from sampan.api.types import core_v1, events_v1
from sampan.client.clock import FakeClock, rfc3339_micro, settle
from sampan.client.fake import FakeServer
from sampan.scheduler.backlog import FEW, LONGEST_REST, MANY, QUIET, REST, Backlog
from sampan.scheduler.binder import Binder
from sampan.scheduler.decision import Decision
from sampan.scheduler.events import Events
from sampan.scheduler.pod_info import PodInfo
from sampan.scheduler.reports import Reports
from sampan.scheduler.tasks import Tasks
from tests.unit.scheduler.objects import node, pod


class Made:
    """A backlog of which each telling takes `seconds`."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.tasks = Tasks()
        self.seconds = 0.0
        self.told: list[tuple[str, str]] = []
        self.backlog = Backlog(self.tasks, self.clock)

    async def _tell(self, name: str, message: str) -> None:
        if message == "broken":
            raise RuntimeError(message)
        if self.seconds:
            await self.clock.sleep(self.seconds)
        self.told.append((name, message))

    def refuse(self, *names: str, message: str = "no room") -> None:
        for name in names:
            self.backlog.decided()
            self.backlog.put(name, partial(self._tell, name, message))

    async def busy(self, seconds: float) -> None:
        """So long other Pods are decided on, again and again."""
        end = self.clock.monotonic() + seconds
        while self.clock.monotonic() < end:
            self.backlog.decided()
            await self.clock.advance(QUIET / 4)


@pytest.fixture
async def made() -> AsyncIterator[Made]:
    made = Made()
    yield made
    await made.tasks.stop()


def names(count: int) -> list[str]:
    return [f"p{number:04}" for number in range(count)]


async def test_one_pod_is_told_at_once(made: Made) -> None:
    made.refuse("p")
    await settle()
    assert made.told == [("p", "no room")]
    assert not made.clock.waiting  # and nothing is left that would wake an idle scheduler


async def test_while_pods_come_a_few_are_told_and_then_there_is_a_rest(made: Made) -> None:
    made.seconds = 0.005
    made.refuse(*names(1000))
    await made.busy(made.seconds * 1.5)
    assert len(made.told) == FEW
    await made.busy(made.seconds * (REST - 1))
    assert len(made.told) == FEW
    await made.busy(1.0)
    share = len(made.told) / FEW * made.seconds
    assert share == pytest.approx(1 / (1 + REST), abs=0.1)


async def test_a_busy_server_is_left_alone_for_longer_yet_not_for_ever(made: Made) -> None:
    made.seconds = LONGEST_REST
    made.refuse(*names(1000))
    await made.busy(10 * 2 * LONGEST_REST)
    assert 9 * FEW <= len(made.told) <= 11 * FEW


async def test_when_no_more_come_all_are_told_without_a_rest(made: Made) -> None:
    made.seconds = 0.01
    made.refuse(*names(320))
    await made.clock.advance(QUIET + LONGEST_REST + made.seconds * 320 / MANY)
    assert [name for name, _ in made.told] == names(320)


async def test_a_pod_that_comes_later_is_told_as_well(made: Made) -> None:
    made.refuse("first")
    await settle()
    await made.clock.advance(10)
    made.refuse("second")
    await settle()
    assert [name for name, _ in made.told] == ["first", "second"]


async def test_what_is_no_longer_true_is_not_said(made: Made) -> None:
    made.refuse("a", "b", "c")
    made.backlog.withdraw("b")
    made.refuse("a", message="too small")
    await made.clock.advance(1)
    assert made.told == [("a", "too small"), ("c", "no room")]


async def test_one_that_cannot_be_told_does_not_keep_the_others_waiting(made: Made) -> None:
    made.refuse("a", message="broken")
    made.refuse(*names(40))
    await made.clock.advance(5)
    assert [name for name, _ in made.told] == names(40)


# -- the reports themselves --------------------------------------------------------------------------------------------


class Reporting:
    def __init__(self) -> None:
        self.server = FakeServer()
        self.tasks = Tasks()
        self.clock = FakeClock()
        client = self.server.client("scheduler")
        self.pods = client.resource(core_v1.Pod)
        self.events = client.resource(events_v1.Event)
        self.backlog = Backlog(self.tasks, self.clock)
        self.reports = Reports(client, Events(client, self.clock), self.tasks, self.backlog, self.clock)

    def pod(self, name: str) -> PodInfo:
        made = pod(name)
        self.server.add(made)
        return PodInfo(made)

    async def condition(self, name: str) -> str:
        conditions = (await self.pods.get(name, namespace="default")).status.conditions or []
        return next((c.message or "" for c in conditions if c.type == "PodScheduled"), "")

    async def said(self) -> list[str]:
        return sorted(e.note or "" for e in (await self.events.list()).items)


@pytest.fixture
async def reporting() -> AsyncIterator[Reporting]:
    made = Reporting()
    yield made
    await made.tasks.stop()


async def test_every_pod_has_its_condition_and_its_event_in_the_end(reporting: Reporting) -> None:
    infos = [reporting.pod(name) for name in names(50)]
    for each in infos:
        reporting.backlog.decided()
        reporting.reports.refuse(each, Decision(message=f"no room for {each.name}"))
    for _ in range(50):
        await reporting.clock.advance(LONGEST_REST)
    expected = [f"no room for {name}" for name in names(50)]
    assert [await reporting.condition(name) for name in names(50)] == expected
    assert await reporting.said() == expected


async def test_an_event_says_when_it_happened_not_when_it_was_written(reporting: Reporting) -> None:
    reporting.backlog.decided()
    for name in names(FEW + 1):
        reporting.reports.refuse(reporting.pod(name), Decision(message="no room"))
    decided = rfc3339_micro(reporting.clock.now())
    await reporting.clock.advance(60)
    assert [e.eventTime for e in (await reporting.events.list()).items] == [decided] * (FEW + 1)


async def test_the_same_is_not_said_twice(reporting: Reporting) -> None:
    waiting = reporting.pod("p")
    for _ in range(2):
        reporting.reports.refuse(waiting, Decision(message="no room"))
        await settle()
    assert await reporting.said() == ["no room"]


async def test_a_pod_that_found_a_node_meanwhile_is_not_told_that_it_has_none(reporting: Reporting) -> None:
    waiting = reporting.pod("p")
    reporting.reports.refuse(waiting, Decision(message="no room"))
    reporting.reports.forget(waiting.uid)
    await settle()
    assert not await reporting.said()
    reporting.reports.refuse(waiting, Decision(message="no room"))  # after all: its binding failed
    await settle()
    assert await reporting.said() == ["no room"]
    assert await reporting.condition("p") == "no room"


async def test_what_could_not_be_written_is_said_again(reporting: Reporting) -> None:
    waiting = reporting.pod("p")
    reporting.server.fail("PATCH", "/pods/", InternalError("not now"))
    reporting.reports.refuse(waiting, Decision(message="no room"))
    await settle()
    assert not await reporting.condition("p")
    reporting.reports.refuse(waiting, Decision(message="no room"))
    await settle()
    assert await reporting.condition("p") == "no room"


async def test_that_a_pod_was_placed_is_said_even_if_it_went_meanwhile(reporting: Reporting) -> None:
    client, clock = reporting.server.client("scheduler"), reporting.clock
    bound: list[str] = []
    binder = Binder(
        client,
        Events(client, clock),
        reporting.tasks,
        reporting.backlog,
        clock,
        at_once=1,
        bound=lambda info: bound.append(info.name),
        failed=lambda *_: None,
        claim_bound=lambda *_: True,
    )
    reporting.server.add(node("n1"))
    reporting.backlog.put("something that takes its time", lambda: clock.sleep(0.05))
    waiting = reporting.pod("p")
    binder.start(waiting, Decision(node="n1"), claim_seconds=1)
    await settle()
    assert bound == ["p"]
    assert not await reporting.said()
    reporting.reports.forget(waiting.uid)
    await clock.advance(1)
    assert await reporting.said() == ["Successfully assigned default/p to n1"]
