"""The node runs low: who is told, and who goes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from sampan.kubelet.eviction import NodeMeasure
from sampan.kubelet.evictor import PRESSURE_LASTS, Evictor, tree_size
from sampan.kubelet.image_gc import ImageCollector
from tests.unit.kubelet.world import World, in_the_loop

GI = 1 << 30
WELL = NodeMeasure(memory_available=8 * GI, disk_available=50 * GI, disk_total=100 * GI)
NO_MEMORY = NodeMeasure(memory_available=1 << 20, disk_available=50 * GI, disk_total=100 * GI)
NO_DISK = NodeMeasure(memory_available=8 * GI, disk_available=1 << 20, disk_total=100 * GI)


class Bench:
    def __init__(self, world: World) -> None:
        self.world, self.news, self.measures = world, 0, [WELL]
        kubelet = world.kubelet
        self.evictor = kubelet.evictor = Evictor(
            world.config,
            world.runtime,
            kubelet.events,
            world.clock,
            ImageCollector(world.runtime),
            workers=lambda: kubelet.pods,
            news=self._told,
            measure=self._measure,
        )

    def _told(self) -> None:
        self.news += 1

    def _measure(self) -> NodeMeasure:
        return self.measures.pop(0) if len(self.measures) > 1 else self.measures[0]

    async def look(self, *measures: NodeMeasure) -> None:
        if measures:
            self.measures = list(measures)
        await self.evictor.step()
        await self.world.settle()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(asyncio, "to_thread", in_the_loop)
    return Bench(World(tmp_path))


async def test_one_pod_goes_and_its_owner_is_told_why(bench: Bench) -> None:
    world = bench.world
    async with world.running():
        world.add()
        await world.settle()
        await bench.look()
        assert (bench.news, world.pod.status.phase) == (0, "Running")
        await bench.look(NO_MEMORY)
        await world.pass_time(2)
        status = world.pod.status
        assert (status.phase, status.reason) == ("Failed", "Evicted")
        assert (status.message or "").startswith("The node was low on resource: memory. Threshold quantity: 100Mi, ")
        assert world.condition("DisruptionTarget") == "True"
        assert bench.evictor.active == {"MemoryPressure"}
        assert bench.news == 1
    assert "Evicted" in world.reasons()


async def test_a_pressure_lasts_a_while(bench: Bench) -> None:
    await bench.look(NO_MEMORY)
    await bench.world.clock.advance(PRESSURE_LASTS - 1)
    await bench.look(WELL)
    assert bench.evictor.active == {"MemoryPressure"}
    await bench.world.clock.advance(2)
    await bench.look(WELL)
    assert bench.evictor.active == frozenset()
    assert bench.news == 2


async def test_images_that_nobody_uses_go_before_pods(bench: Bench) -> None:
    world = bench.world
    async with world.running():
        world.add()
        await world.settle()
        world.runtime.add_image("unused:1")
        await bench.look(NO_DISK, WELL)
        assert world.pod.status.phase == "Running"
        assert [i.repo_tags for i in await world.runtime.list_images()] == [["app:1"]]


async def test_a_new_pod_is_refused_under_pressure(bench: Bench) -> None:
    world = bench.world
    async with world.running():
        await bench.look(NO_MEMORY)
        world.add()
        await world.settle()
        assert (world.pod.status.phase, world.pod.status.reason) == ("Failed", "Evicted")
        assert world.pod.status.message == "Pod was rejected: The node had condition: [MemoryPressure]. "


async def test_a_volume_over_its_own_limit(bench: Bench) -> None:
    world = bench.world
    volume: dict[str, Any] = {"name": "v", "emptyDir": {"sizeLimit": "64Ki"}}
    async with world.running():
        world.add({"volumes": [volume]})
        await world.settle()
        await bench.look()
        assert world.pod.status.phase == "Running"
        (folder,) = (world.config.root_dir / "pods").glob("*/volumes/kubernetes.io~empty-dir/v")
        (folder / "file").write_bytes(b"x" * 200_000)
        await bench.look()
        await world.pass_time(2)
        assert world.pod.status.message == 'Usage of EmptyDir volume "v" exceeds the limit "64Ki". '
        assert world.condition("DisruptionTarget") == ""


def test_sizes(tmp_path: Path) -> None:
    assert tree_size(tmp_path) == (0, 0)
    (tmp_path / "a").mkdir()
    (tmp_path / "a/file").write_bytes(b"x" * 100_000)
    size, count = tree_size(tmp_path)
    assert 100_000 <= size <= 120_000
    assert count == 2
    assert tree_size(tmp_path / "none") == (0, 0)
