"""Who is tried next, who backs off, and whom an event brings back."""

from __future__ import annotations

import pytest

from sampan.client.clock import FakeClock
from sampan.scheduler.config import SchedulerConfig
from sampan.scheduler.hints import HELPS, Happening
from sampan.scheduler.queue import SchedulingQueue
from tests.unit.scheduler.objects import info


class Made:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.woken = 0
        self.queue = SchedulingQueue(SchedulerConfig(), self.clock, self.wake)

    def wake(self) -> None:
        self.woken += 1

    def pop(self) -> str:
        queued = self.queue.pop()
        return queued.info.name if queued is not None else ""

    def refuse(self, *plugins: str) -> None:
        queued = self.queue.pop()
        assert queued is not None
        self.queue.failed(queued, frozenset(plugins), self.queue.position)


@pytest.fixture
def made() -> Made:
    return Made()


async def test_the_most_important_first_then_the_oldest(made: Made) -> None:
    made.queue.add(info("old"))
    await made.clock.advance(1)
    made.queue.add(info("young"))
    made.queue.add(info("vip", priority=10))
    assert [made.pop() for _ in range(4)] == ["vip", "old", "young", ""]


@pytest.mark.parametrize("what", list(Happening))
@pytest.mark.parametrize("plugin", sorted(HELPS))
async def test_only_what_helps_wakes_and_at_once(made: Made, plugin: str, what: Happening) -> None:
    made.queue.add(info("p"))
    made.refuse(plugin)
    await made.clock.advance(30)  # its back-off is long over
    made.woken = 0
    made.queue.happened(what)
    helps = what in HELPS[plugin]
    assert (made.pop(), made.woken > 0) == (("p", True) if helps else ("", False))


def test_what_helps_whom() -> None:
    assert Happening.NODE_LABEL in HELPS["NodeAffinity"]
    assert Happening.NODE_LABEL not in HELPS["NodeResourcesFit"]
    assert Happening.POD_GONE in HELPS["NodeResourcesFit"]
    assert Happening.NODE_TAINT in HELPS["TaintToleration"]
    assert Happening.POD_PLACED in HELPS["InterPodAffinity"]
    assert Happening.NODE_GONE in HELPS["PodTopologySpread"]


async def test_back_off_doubles_up_to_its_limit(made: Made) -> None:
    made.queue.add(info("p"))
    for expected in (1, 2, 4, 8, 10, 10):
        made.refuse("NodeAffinity")
        made.queue.happened(Happening.NODE_LABEL)
        assert made.queue.next_due() == pytest.approx(expected)
        assert made.queue.pop() is None
        await made.clock.advance(expected)


async def test_what_happens_during_the_attempt_is_not_lost(made: Made) -> None:
    made.queue.add(info("p"))
    queued = made.queue.pop()
    assert queued is not None
    position = made.queue.position
    made.queue.happened(Happening.NODE_LABEL)
    made.queue.failed(queued, frozenset({"NodeAffinity"}), position)
    await made.clock.advance(1)
    assert made.pop() == "p"


async def test_a_failed_binding_is_not_tried_again_in_the_same_breath(made: Made) -> None:
    made.queue.retry(info("p"), 2)
    assert made.pop() == ""
    await made.clock.advance(2)
    assert made.pop() == "p"


async def test_nothing_waits_forever_and_the_gone_do_not_come_back(made: Made) -> None:
    made.queue.add(info("p"))
    made.refuse("NodeAffinity")
    made.queue.add(info("q"))
    made.refuse("NodeAffinity")
    made.queue.remove("q")
    await made.clock.advance(299)
    made.queue.flush()
    assert made.pop() == ""
    await made.clock.advance(2)
    made.queue.flush()
    assert [made.pop(), made.pop()] == ["p", ""]


async def test_only_those_that_nothing_helped_for_long_are_tried_all_the_same(made: Made) -> None:
    made.queue.add(info("long"))
    made.refuse("NodeAffinity")
    await made.clock.advance(SchedulerConfig().unschedulable_flush - 1)
    made.queue.add(info("lately"))
    made.refuse("NodeAffinity")
    made.queue.flush()
    assert made.pop() == ""
    await made.clock.advance(2)
    made.queue.flush()
    assert [made.pop(), made.pop()] == ["long", ""]
