"""A flood in one namespace does not keep the others waiting."""

from __future__ import annotations

from sampan.client.clock import FakeClock
from sampan.scheduler.config import SchedulerConfig
from sampan.scheduler.fairness import FairQueue
from sampan.scheduler.queue import SchedulingQueue
from tests.unit.scheduler.objects import info


def popped(queue: FairQueue) -> list[str]:
    found = []
    while (uid := queue.pop()) is not None:
        found.append(uid)
    return found


def test_namespaces_take_turns_and_within_one_the_oldest_is_first() -> None:
    queue = FairQueue()
    for at in range(4):
        queue.push(f"flood-{at}", priority=0, namespace="flood", since=float(at))
    queue.push("quiet-young", priority=0, namespace="quiet", since=11.0)
    queue.push("quiet-old", priority=0, namespace="quiet", since=10.0)
    assert popped(queue) == ["flood-0", "quiet-old", "flood-1", "quiet-young", "flood-2", "flood-3"]


def test_importance_comes_before_turns() -> None:
    queue = FairQueue()
    queue.push("a", priority=0, namespace="a", since=0.0)
    queue.push("vip-1", priority=9, namespace="b", since=5.0)
    queue.push("vip-2", priority=9, namespace="b", since=6.0)
    assert popped(queue) == ["vip-1", "vip-2", "a"]
    queue.push("again", priority=3, namespace="a", since=0.0)
    assert popped(queue) == ["again"]


def test_one_pod_behind_a_thousand_is_next_but_one() -> None:
    queue = SchedulingQueue(SchedulerConfig(), FakeClock(), lambda: None)
    for at in range(1000):
        queue.add(info(f"flood-{at}", namespace="flood"))
    queue.add(info("mine", namespace="quiet"))
    first = [queue.pop() for _ in range(2)]
    assert "mine" in [q.info.name for q in first if q is not None]


def test_what_was_removed_takes_nobodys_turn() -> None:
    queue = SchedulingQueue(SchedulerConfig(), FakeClock(), lambda: None)
    for name in ("a1", "a2", "b1"):
        queue.add(info(name, namespace=name[0]))
    queue.remove("a1")
    left = []
    while (queued := queue.pop()) is not None:
        left.append(queued.info.name)
    assert sorted(left) == ["a2", "b1"]
