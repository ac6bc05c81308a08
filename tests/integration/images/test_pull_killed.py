"""Pulls that are killed, and several processes that pull at once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from sampan.runtime.images.store import LocalImageStore

from .conftest import no_pause
from .looking import half_fetched, leftovers
from .registry import FaultyProxy, LiveRegistry, needs_registry

pytestmark = [needs_registry, pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]


_PULLER = """
import asyncio, sys
from pathlib import Path
from sampan.runtime.images.store import LocalImageStore
async def main():
    store = LocalImageStore(Path(sys.argv[1]))
    await store.start()
    await store.pull(sys.argv[2])
    await store.close()
asyncio.run(main())
"""


async def test_a_killed_pull_is_taken_up_by_the_next(
    live: LiveRegistry, proxy: FaultyProxy, store: LocalImageStore
) -> None:
    proxy.rate = 2_000_000
    name = f"{proxy.host}/team/app:1"
    puller = await asyncio.create_subprocess_exec(sys.executable, "-c", _PULLER, str(store.root), name)
    while half_fetched(store) < 1_000_000:
        await asyncio.sleep(0.01)
        assert puller.returncode is None
    puller.send_signal(signal.SIGKILL)
    await puller.wait()
    proxy.rate = 0

    again = LocalImageStore(store.root, sleep=no_pause)
    await again.start()
    assert await again.list_images() == []
    before = proxy.bytes_out
    image = await again.pull(name)
    await again.close()
    assert proxy.bytes_out - before < 2_500_000  # not all three megabytes once more
    assert [image.id] == [i.id for i in await store.list_images()]
    assert leftovers(store) == []


async def test_pulls_killed_at_any_moment_leave_a_store_that_works(proxy: FaultyProxy, store: LocalImageStore) -> None:
    name = f"{proxy.host}/team/app:1"
    proxy.rate = 20_000_000
    for moment in (0.15, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6):
        puller = await asyncio.create_subprocess_exec(sys.executable, "-c", _PULLER, str(store.root), name)
        await asyncio.sleep(moment)
        if puller.returncode is None:
            puller.kill()
        await puller.wait()
    # A record that was being written is given a minute until it counts as left behind.
    again = LocalImageStore(store.root, sleep=no_pause, now=lambda: time.time() + 120)
    await again.start()
    deadline = time.monotonic() + 30  # a killed puller's unpacking worker may take a moment to end
    while list(store.root.glob("s/*.new")) and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
        await again.start()
    image = await again.pull(name)
    rootfs = await again.prepare_rootfs(image.id, "c")
    assert sum(1 for lower in rootfs.lower for _ in Path(lower).rglob("*")) == 12
    await again.close()
    assert leftovers(store) == []


async def test_two_processes_pull_the_same(proxy: FaultyProxy, store: LocalImageStore) -> None:
    proxy.rate = 10_000_000
    name = f"{proxy.host}/team/app:1"
    pullers = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", _PULLER, str(store.root), name) for _ in range(3)
    ]
    assert [await puller.wait() for puller in pullers] == [0, 0, 0]
    paths = [r.path for r in proxy.asked("GET .*/blobs/")]
    assert len(paths) == len(set(paths)) == 4
    assert len(await store.list_images()) == 1
    assert leftovers(store) == []
