"""Whom an event brings back, and that the others are not even looked at."""

from __future__ import annotations

from typing import Any

import pytest

from sampan.client.clock import FakeClock
from sampan.scheduler.config import SchedulerConfig
from sampan.scheduler.hints import Happening, Hints, Subject
from sampan.scheduler.pod_info import PodInfo
from sampan.scheduler.queue import SchedulingQueue
from tests.unit.scheduler.objects import info, node, node_info
from tests.unit.scheduler.test_filters import between, term

GPU = node_info(node(labels={"gpu": "true"}))
PLAIN = node_info(node())
TAINTED = node_info(node(taints=[{"key": "a", "effect": "NoSchedule"}]))
CORDONED = node_info(node(unschedulable=True))
WEB, OTHER = info("r", labels={"app": "web"}), info("r", labels={"app": "other"})
NEAR, AWAY = {"affinity": between("podAffinity", term("web"))}, {"affinity": between("podAntiAffinity", term("web"))}
PORT = {"ports": [{"containerPort": 80, "hostPort": 80}]}


@pytest.mark.parametrize(
    ("plugin", "wish", "what", "subject", "helps"),
    [
        ("NodeAffinity", {"nodeSelector": {"gpu": "true"}}, Happening.NODE_LABEL, GPU, True),
        ("NodeAffinity", {"nodeSelector": {"gpu": "true"}}, Happening.NODE_LABEL, PLAIN, False),
        ("TaintToleration", {}, Happening.NODE_TAINT, PLAIN, True),
        ("TaintToleration", {}, Happening.NODE_TAINT, TAINTED, False),
        ("NodeUnschedulable", {}, Happening.NODE_TAINT, CORDONED, False),
        ("NodeResourcesFit", {"cpu": "4"}, Happening.NODE_ADDED, PLAIN, True),
        ("NodeResourcesFit", {"cpu": "5"}, Happening.NODE_ADDED, PLAIN, False),
        ("NodeResourcesFit", {"cpu": "5"}, Happening.POD_GONE, OTHER, True),
        ("NodeResourcesFit", {"cpu": "1"}, Happening.POD_PLACED, OTHER, False),
        ("NodePorts", PORT, Happening.POD_GONE, OTHER, False),
        ("NodePorts", PORT, Happening.POD_GONE, info("r", **PORT), True),
        ("InterPodAffinity", NEAR, Happening.POD_PLACED, WEB, True),
        ("InterPodAffinity", NEAR, Happening.POD_PLACED, OTHER, False),
        ("InterPodAffinity", NEAR, Happening.POD_GONE, WEB, False),
        ("InterPodAffinity", AWAY, Happening.POD_GONE, WEB, True),
        ("InterPodAffinity", AWAY, Happening.POD_PLACED, OTHER, False),
        ("InterPodAffinity", {"labels": {"app": "web"}}, Happening.POD_GONE, info("r", **AWAY), True),
        ("PodTopologySpread", {}, Happening.POD_GONE, info("r", namespace="elsewhere"), False),
        ("PodTopologySpread", {}, Happening.NODE_GONE, None, True),
        ("VolumeBinding", {}, Happening.VOLUME, None, True),
    ],
)
def test_hints(plugin: str, wish: dict[str, Any], what: Happening, subject: Subject, helps: bool) -> None:
    assert Hints({}).helps(plugin, info(**wish), what, subject) is helps


class Counting(Hints):
    def __init__(self) -> None:
        super().__init__({})
        self.asked = 0

    def helps(self, plugin: str, pod: PodInfo, what: Happening, subject: Subject) -> bool:
        self.asked += 1
        return super().helps(plugin, pod, what, subject)


def test_an_event_costs_nothing_for_pods_that_wait_for_something_else() -> None:
    hints = Counting()
    queue = SchedulingQueue(SchedulerConfig(), FakeClock(), lambda: None, hints)
    for at in range(500):
        queue.add(info(f"p{at}"))
        queued = queue.pop()
        assert queued is not None
        queue.failed(queued, frozenset({"NodeAffinity" if at else "NodePorts"}), queue.position)
    hints.asked = 0
    queue.happened(Happening.POD_GONE, OTHER)
    queue.happened(Happening.NODE_TAINT, PLAIN)
    assert hints.asked <= 1
    queue.happened(Happening.NODE_LABEL, GPU)
    assert hints.asked >= 499


async def test_a_pod_that_found_no_node_at_all_is_brought_back_by_the_first() -> None:
    clock = FakeClock()
    queue = SchedulingQueue(SchedulerConfig(), clock, lambda: None)
    queue.add(info("p"))
    queued = queue.pop()
    assert queued is not None
    queue.failed(queued, frozenset(), queue.position)
    await clock.advance(5)
    queue.happened(Happening.NODE_ADDED, PLAIN)
    assert queue.pop() is not None
