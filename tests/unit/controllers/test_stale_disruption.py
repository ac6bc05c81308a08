"""A Pod that should have gone and did not is not marked for ever."""

import asyncio
from typing import Any

import pytest

from sampan.api.types import core_v1
from sampan.client.clock import FakeClock, rfc3339
from sampan.client.fake import FakeServer
from sampan.controllers import ControllersConfig, run
from sampan.controllers.disruption.stale import stale_in
from tests.unit.controllers.pods import NOW, pod


def marked(*, status: str = "True", reason: str = "EvictionByEvictionAPI", ago: float = 0.0, **how: Any) -> core_v1.Pod:
    found = pod("p", **how)
    found.metadata.uid = None
    condition = core_v1.PodCondition(
        type="DisruptionTarget", status=status, reason=reason, lastTransitionTime=rfc3339(NOW - ago)
    )
    found.status.conditions = [*(found.status.conditions or ()), condition]
    return found


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (pod("p"), None),
        (marked(), 120.0),
        (marked(ago=100), 20.0),
        (marked(ago=300), 0.0),
        (marked(ago=300, status="False"), None),
        (marked(ago=300, reason="TerminationByKubelet"), None),
        (marked(ago=300, going=True), None),
        (marked(ago=300, phase="Failed"), None),
    ],
)
def test_when(found: core_v1.Pod, expected: float | None) -> None:
    assert stale_in(found, NOW) == expected


async def test_the_mark_is_taken_back() -> None:
    clock = FakeClock(NOW)
    server = FakeServer(clock=clock)
    server.add(marked())
    config = ControllersConfig(controllers=("stale-disruption-controller",))
    task = asyncio.create_task(run(server.client, config, clock=clock))

    def status() -> str:
        found = server.get(core_v1.Pod, "p", namespace="n")
        assert found is not None
        return next(c.status for c in found.status.conditions or () if c.type == "DisruptionTarget")

    await clock.advance(110)
    assert status() == "True"
    await clock.advance(20)
    assert status() == "False"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
