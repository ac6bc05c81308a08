"""What Nodes and Pods used between two looks."""

from typing import Any

import pytest

from sampan.api.errors import ServiceUnavailable
from sampan.api.types import core_v1, meta_v1
from sampan.client.clock import FakeClock
from sampan.client.fake import FakeServer
from sampan.controllers.metrics.collector import APART, FRESH, Collector
from sampan.controllers.metrics.samples import Reading, Usage, has_more, node_usage, pod_usage, read_summary, used

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("before", "after", "seconds", "expected"),
    [
        (Reading(0, 5), Reading(SECOND, 2048), 2.0, Usage(SECOND // 2, 2048)),
        (None, Reading(1, 1), 1.0, None),
        (Reading(1, 1), None, 1.0, None),
        (Reading(9, 1), Reading(1, 1), 1.0, None),  # the container is another one by now
        (Reading(1, 1), Reading(9, 1), 0.0, None),
    ],
)
def test_used(before: Reading | None, after: Reading | None, seconds: float, expected: Usage | None) -> None:
    assert used(before, after, seconds) == expected


def summary(cpu: int, *containers: str) -> dict[str, Any]:
    part = {"cpu": {"usageCoreNanoSeconds": cpu}, "memory": {"workingSetBytes": 4096}}
    pod = {"podRef": {"namespace": "n", "name": "p"}, "containers": [{"name": c, **part} for c in containers]}
    return {"node": part, "pods": [pod]}


def test_half_a_pod_is_not_told() -> None:
    before, after = read_summary(summary(0, "a"), 0.0), read_summary(summary(SECOND, "a", "b"), 1.0)
    assert pod_usage(before, after, ("n", "p")) is None
    assert pod_usage(before, before, ("n", "absent")) is None
    assert node_usage(before, after) == Usage(SECOND, 4096)
    assert Usage(SECOND, 4096).wire() == {"cpu": "1000000000n", "memory": "4Ki"}


def test_what_is_new_wants_another_look() -> None:
    one, two = read_summary(summary(0, "a"), 0.0), read_summary(summary(0, "a", "b"), 1.0)
    assert has_more(None, one)
    assert has_more(one, two)
    assert not has_more(one, one)
    assert not has_more(two, one), "what is gone is no news"


def test_a_summary_without_numbers_is_nothing() -> None:
    assert read_summary({}, 0.0).node is None
    assert read_summary({"node": {"cpu": {}}}, 0.0).node is None


class Kubelets:
    def __init__(self, clock: FakeClock) -> None:
        self.clock, self.asked, self.down = clock, 0, set[str]()

    async def __call__(self, node: str) -> dict[str, Any]:
        self.asked += 1
        if node in self.down:
            raise ServiceUnavailable("no")
        return summary(int(self.clock.monotonic() * SECOND / 4), "a")  # a quarter of a core


async def settled(clock: FakeClock, awaitable: Any) -> Any:
    import asyncio

    task = asyncio.ensure_future(awaitable)
    await clock.advance(APART * 3)
    return await task


async def test_only_who_asks_costs_something() -> None:
    clock = FakeClock()
    server, kubelets = FakeServer(clock=clock), Kubelets(clock)
    for name in ("up", "down"):
        server.add(core_v1.Node(metadata=meta_v1.ObjectMeta(name=name, labels={"l": name})))
    server.add(
        core_v1.Pod(
            metadata=meta_v1.ObjectMeta(name="p", namespace="n", labels={"app": "x"}),
            spec=core_v1.PodSpec(nodeName="up"),
        )
    )
    kubelets.down.add("down")
    collector = Collector(server.client(), read=kubelets, clock=clock)
    await clock.advance(3600)
    assert kubelets.asked == 0
    (node,) = await settled(clock, collector.nodes())
    assert (node["kind"], node["metadata"]["name"], node["usage"]) == (
        "NodeMetrics",
        "up",
        {"cpu": "250000000n", "memory": "4Ki"},
    )
    assert node["window"] == "1.000s"
    asked = kubelets.asked
    (pod,) = await collector.pods(namespace="n", label_selector="app=x")
    assert pod["containers"] == [{"name": "a", "usage": {"cpu": "250000000n", "memory": "4Ki"}}]
    assert await collector.pods(namespace="n", label_selector="app=y") == []
    assert await collector.nodes(name="down") == []
    assert kubelets.asked == asked, "a fresh answer is given again"
    await clock.advance(FRESH)
    kubelets.down.clear()
    assert len(await settled(clock, collector.nodes())) == 2
