"""Two hundred Pods made and removed, some killed half-way: afterwards nothing is there that was not there before."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from pathlib import Path

import pytest

from sampan.runtime import contract as cri
from tests.host.runtime.world import World

pytestmark = pytest.mark.root


async def one_life(world: World, netns: str, chance: random.Random) -> None:
    """A Pod that meets one of the things that happen to Pods."""
    fate = chance.choice(["plain", "plain", "infra", "monitor", "process", "cancel", "exec", "log"])
    sandbox = ""
    try:
        sandbox = await world.sandbox(netns_path=netns)
        making = asyncio.create_task(world.container(sandbox, "sleep", "1000", mounts=[
            cri.Mount(container_path="/data", host_path=str(world.root), sub_path="data")
        ]))  # fmt: skip
        if fate == "cancel":
            await asyncio.sleep(chance.random() / 10)
            making.cancel()
            await asyncio.wait((making,))
            return
        container = await making
        pid = (await world.runtime.container_status(container)).pid
        if fate == "infra":
            os.kill((await world.runtime.sandbox_status(sandbox)).pid, signal.SIGKILL)
        elif fate == "monitor":
            os.kill(int(Path(f"/proc/{pid}/stat").read_text().split()[3]), signal.SIGKILL)
        elif fate == "process":
            os.kill(pid, signal.SIGKILL)
        elif fate == "exec":
            stream = await world.runtime.exec(container, ["sleep", "99"], tty=chance.random() < 0.5)
            if chance.random() < 0.5:
                await world.runtime.remove_sandbox(sandbox)
            await stream.close()
        elif fate == "log":
            await world.runtime.reopen_log(container)
    finally:
        if sandbox:
            await world.runtime.remove_sandbox(sandbox)


async def test_two_hundred_pods_leave_nothing(world: World) -> None:
    chance = random.Random(4)
    shared = [world.new_netns() for _ in range(10)]
    open_before = set(os.listdir("/proc/self/fd"))
    for _ in range(20):
        await asyncio.gather(*(one_life(world, netns, chance) for netns in shared))
    await world.settled()
    traces = world.traces()
    assert not any(traces.values()), traces
    assert world.runtime.node.sandboxes == {}
    assert world.runtime.node.containers == {}
    assert len(os.listdir("/proc/self/fd")) <= len(open_before)
