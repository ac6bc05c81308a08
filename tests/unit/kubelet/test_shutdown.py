"""The machine goes down: who ends when, and in whose words."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from sampan.api.types import core_v1
from sampan.kubelet.node.events import told_of
from sampan.kubelet.shutdown import LAST_WORDS
from sampan.kubelet.worker import Phase
from sampan.runtime.fake import Behaviour
from tests.unit.kubelet.pods import make_pod
from tests.unit.kubelet.world import World, in_the_loop


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(asyncio, "to_thread", in_the_loop)
    made = World(tmp_path)
    made.config.shutdown_grace_period = 30
    made.config.shutdown_grace_period_critical_pods = 10
    return made


def phase(world: World, name: str) -> tuple[str | None, str | None]:
    pod = world.server.get(core_v1.Pod, name, namespace="ns")
    assert pod is not None
    return pod.status.phase, pod.status.reason


def add(world: World, name: str, container: str, priority: int = 0) -> None:
    spec = {"nodeName": "node-a", "containers": [{"name": container, "image": "app:1"}], "priority": priority}
    world.server.add(make_pod({**spec, "terminationGracePeriodSeconds": 60}, name=name, uid=name))


async def test_critical_pods_go_last_and_all_say_why(world: World) -> None:
    for name in ("stubborn", "critical"):
        world.runtime.behave(name, Behaviour(ignores_term=True))
    async with world.running():
        add(world, "quick", "quick")
        add(world, "slow", "stubborn")
        add(world, "vital", "critical", 2_000_000_000)
        await world.settle()
        going = asyncio.ensure_future(world.kubelet.shutdown.run())
        await world.pass_time(2)
        assert phase(world, "quick") == ("Failed", "Terminated")
        assert phase(world, "slow") == ("Running", None)
        add(world, "late", "late")
        await world.settle()
        assert phase(world, "late") == ("Failed", "NodeShutdown")
        await world.pass_time(19)
        assert phase(world, "slow") == ("Failed", "Terminated")  # it asked for 60 s and got 20
        assert phase(world, "vital") == ("Running", None)
        await world.pass_time(11)
        assert phase(world, "vital") == ("Failed", "Terminated")
        await going
        inputs = await world.kubelet._look_at_node()
        assert inputs.health.not_ready == "node is shutting down"
    pod = world.server.get(core_v1.Pod, "slow", namespace="ns")
    assert pod is not None
    assert pod.status.message == "Pod was terminated in response to imminent node shutdown."
    told = next(c for c in pod.status.conditions or () if c.type == "DisruptionTarget")
    assert (told.status, told.reason) == ("True", "TerminationByKubelet")


async def test_it_does_not_wait_longer_than_it_may(world: World) -> None:
    async with world.running():
        world.add({"terminationGracePeriodSeconds": 60})
        await world.settle()
        (worker,) = world.kubelet.pods
        world.kubelet.tools.stopper.stop_pod = never_ends  # type: ignore[method-assign]  # as if the runtime hung
        going = asyncio.ensure_future(world.kubelet.shutdown.run())
        await world.pass_time(20 + 2 * LAST_WORDS - 1)
        assert (going.done(), worker.phase) == (True, Phase.TERMINATING)


async def never_ends(*args: Any, **kwargs: Any) -> None:
    await asyncio.Event().wait()


def test_what_is_told_of_a_node() -> None:
    def status(boot: str, **conditions: str) -> core_v1.NodeStatus:
        listed = [core_v1.NodeCondition(type=kind, status=value) for kind, value in conditions.items()]
        return core_v1.NodeStatus(nodeInfo=core_v1.NodeSystemInfo(bootID=boot), conditions=listed)

    well = status("one", MemoryPressure="False", Ready="True")
    assert [reason for _, reason, _ in told_of("n", core_v1.NodeStatus(), well)] == [
        "NodeHasSufficientMemory",
        "NodeReady",
    ]
    assert told_of("n", well, well) == []
    assert told_of("n", well, status("two", MemoryPressure="True", Ready="True")) == [
        ("Warning", "Rebooted", "Node n has been rebooted, boot id: two"),
        ("Normal", "NodeHasInsufficientMemory", "Node n status is now: NodeHasInsufficientMemory"),
    ]
