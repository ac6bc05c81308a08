"""Logs as conmon writes them: long lines, rotation under a follower, a terminal's."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime
from itertools import count

import pytest

from sampan.runtime import contract as cri
from sampan.runtime.logs import LogOptions, read_log
from sampan.runtime.rotate import RotationPolicy, rotate, rotated_logs
from tests.host.runtime.world import World

pytestmark = pytest.mark.root


async def test_long_and_unfinished_lines(world: World) -> None:
    script = "head -c 50000 /dev/zero | tr '\\0' x; echo; echo short; echo -n open"
    container = await world.container(await world.sandbox(), "sh", "-c", script.replace("tr", "busybox tr"))
    status = await world.ended(container)
    said = b"".join([c.data async for c in read_log(status.log_path, LogOptions())])
    assert said == b"x" * 50000 + b"\nshort\nopen"
    tail = b"".join([c.data async for c in read_log(status.log_path, LogOptions(tail_lines=3))])
    assert tail == said


async def test_a_follower_sees_every_line_across_rotations(world: World) -> None:
    script = "for i in $(seq 1 300); do echo line $i; busybox usleep 3000; done"
    container = await world.container(await world.sandbox(), "sh", "-c", script)
    path = (await world.runtime.container_status(container)).log_path
    ended = world.runtime.node.container(container).ended
    got: list[bytes] = []

    async def running() -> bool:
        return not ended.is_set()

    async def follow() -> None:
        async for chunk in read_log(path, LogOptions(follow=True), running):
            got.append(chunk.data)

    task = asyncio.create_task(follow())
    seconds = count()
    policy = RotationPolicy(max_size=2000, max_files=9, compress=False)
    while not ended.is_set():
        with contextlib.suppress(cri.NotRunning):  # it ended just now
            await rotate(
                path, policy, lambda: world.runtime.reopen_log(container),
                lambda: datetime(2026, 1, 1, 0, 0, next(seconds), tzinfo=UTC),
            )  # fmt: skip
        await asyncio.sleep(0.1)
    await asyncio.wait_for(task, 10)
    assert got == [b"line %d\n" % number for number in range(1, 301)]
    assert len(rotated_logs(path)) > 1


async def test_a_container_that_writes_much_keeps_a_few_logs(world: World) -> None:
    script = "for n in $(seq 1 300); do for i in $(seq 1 100); do echo line $i of many; done; busybox usleep 5000; done"
    container = await world.container(await world.sandbox(), "sh", "-c", script + "; sleep 100")
    path = (await world.runtime.container_status(container)).log_path
    async with asyncio.timeout(20):
        while len(rotated_logs(path)) < 2 or not rotated_logs(path)[0].endswith(".gz"):
            await asyncio.sleep(0.05)
    assert len(rotated_logs(path)) == 2
    assert (await world.runtime.container_status(container)).state.value == "running"
