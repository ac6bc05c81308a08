"""A critical Pod comes to a full node: who has to go, and what is said of it."""

from __future__ import annotations

from typing import Any

import pytest

from sampan.api.types import core_v1
from sampan.kubelet.preemption import victims
from tests.unit.kubelet.pods import make_pod
from tests.unit.kubelet.world import World


def pod(name: str, qos: str, cpu: int = 0, *, priority: int = 0) -> tuple[core_v1.Pod, dict[str, int]]:
    return make_pod({"priority": priority}, name=name, uid=name, status={"qosClass": qos}), {"cpu": cpu}


@pytest.mark.parametrize(
    ("missing", "others", "wanted"),
    [
        ({"cpu": 100}, [pod("b", "BestEffort"), pod("u", "Burstable", 200), pod("g", "Guaranteed", 100)], ["u"]),
        ({"cpu": 300}, [pod("u", "Burstable", 200), pod("g", "Guaranteed", 100)], ["g", "u"]),
        ({"cpu": 100}, [pod("large", "Burstable", 900), pod("small", "Burstable", 150)], ["small"]),
        ({"pods": 1000}, [pod("b", "BestEffort"), pod("u", "Burstable", 100)], ["b"]),
        ({"cpu": 500}, [pod("u", "Burstable", 400)], None),
        ({"cpu": 100}, [pod("c", "Burstable", 400, priority=2_000_000_000)], None),
        ({}, [pod("u", "Burstable", 400)], []),
    ],
)
def test_who_goes(missing: dict[str, int], others: list[Any], wanted: list[str] | None) -> None:
    found = victims(missing, others)
    assert (None if found is None else [p.metadata.name for p in found]) == wanted


async def test_an_ordinary_pod_makes_room(world: World) -> None:
    cpus = world.kubelet.machine.cpus
    asks = {
        "containers": [{"name": "a", "image": "app:1", "resources": {"requests": {"cpu": f"{cpus * 1000 - 100}m"}}}]
    }
    async with world.running():
        world.add(asks)
        await world.settle()
        world.server.add(make_pod({"nodeName": "node-a", **asks}, name="ordinary", uid="ordinary"))
        await world.settle()
        refused = world.server.get(core_v1.Pod, "ordinary", namespace="ns")
        assert refused is not None
        assert refused.status.reason == "OutOfcpu"
        vital = {"nodeName": "node-a", "priority": 2_000_001_000, **asks}
        world.server.add(make_pod(vital, name="vital", uid="vital"))
        await world.pass_time(2)
        assert (world.pod.status.phase, world.pod.status.reason) == ("Failed", "Preempting")
        assert world.pod.status.message == "Preempted in order to admit critical pod"
        admitted = world.server.get(core_v1.Pod, "vital", namespace="ns")
        assert admitted is not None
        assert admitted.status.phase == "Running"
    assert "Preempting" in world.reasons()
