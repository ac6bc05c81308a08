"""Pulls from a real registry: what they bring, and what they share."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import time
from pathlib import Path

import pytest

from sampan.runtime.errors import InvalidImageName
from sampan.runtime.images.store import LocalImageStore
from sampan.runtime.records import PullProgress
from tests.unit.runtime.images.archives import entry, layout, tar

from .conftest import three_layers
from .looking import half_fetched, leftovers
from .registry import FaultyProxy, LiveRegistry, needs_registry

pytestmark = [needs_registry, pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]


async def test_a_pull_makes_a_root(live: LiveRegistry, store: LocalImageStore) -> None:
    steps: list[PullProgress] = []
    image = await store.pull(f"{live.host}/team/app:1", progress=steps.append)
    assert image.repo_tags == [f"{live.host}/team/app:1"]
    assert re.fullmatch(rf"{live.host}/team/app@sha256:[0-9a-f]{{64}}", image.repo_digests[0])
    assert (image.config.entrypoint, image.config.env, image.config.user) == (["/bin/sh"], ["A=b"], "1000:1000")
    assert image.size > 3_000_000
    assert {"resolving", "downloading", "unpacking", "done"} <= {step.phase for step in steps}

    rootfs = await store.prepare_rootfs(image.id, "c1")
    assert len(rootfs.lower) == 3
    merged = store.root / "merged"
    merged.mkdir()
    options = f"lowerdir={':'.join(rootfs.lower)},upperdir={rootfs.upper},workdir={rootfs.work}"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, merged], check=True)
    try:
        assert sorted(p.name for p in (merged / "etc").iterdir()) == ["b"]
        assert (merged / "etc/b").read_text() == "new"
        assert (merged / "tmp").stat().st_mode & 0o7777 == 0o1777
        (merged / "own").write_text("mine")
    finally:
        subprocess.run(["umount", merged], check=True)
    assert (await store.rootfs_usage("c1")).used_inodes == 1
    await store.remove_rootfs("c1")
    assert await store.list_rootfs() == []
    assert leftovers(store) == []


async def test_names_digests_and_ids_find_it(live: LiveRegistry, store: LocalImageStore) -> None:
    image = await store.pull(f"{live.host}/team/app:1")
    by_digest = await store.pull(image.repo_digests[0])
    assert by_digest.id == image.id
    for name in (image.id, image.id[7:], image.id[7:20], *image.repo_tags, *image.repo_digests):
        found = await store.status(name)
        assert found is not None
        assert found.id == image.id
    assert await store.status("nginx") is None
    assert await store.status("0" * 64) is None
    with pytest.raises(InvalidImageName, match="must be lowercase"):
        await store.status("Bad Image:")


async def test_a_second_pull_asks_for_the_name_only(store: LocalImageStore, proxy: FaultyProxy) -> None:
    await store.pull(f"{proxy.host}/team/app:1")
    before = len(proxy.requests)
    await store.pull(f"{proxy.host}/team/app:1")
    assert [r.method for r in proxy.requests[before:]] == ["HEAD"]


async def test_pulls_of_one_image_share_the_work(store: LocalImageStore, proxy: FaultyProxy) -> None:
    images = await asyncio.gather(*(store.pull(f"{proxy.host}/team/app:1") for _ in range(5)))
    assert len({image.id for image in images}) == 1
    paths = [r.path for r in proxy.asked("GET .*/blobs/")]
    assert len(paths) == len(set(paths)) == 4


async def test_one_caller_giving_up_does_not_end_it_for_others(store: LocalImageStore, proxy: FaultyProxy) -> None:
    proxy.rate = 6_000_000
    first = asyncio.ensure_future(store.pull(f"{proxy.host}/team/app:1"))
    second = asyncio.ensure_future(store.pull(f"{proxy.host}/team/app:1"))
    await asyncio.sleep(0.1)
    first.cancel()
    assert (await second).repo_tags
    assert leftovers(store) == []


async def test_a_cancelled_pull_can_be_taken_up(store: LocalImageStore, proxy: FaultyProxy) -> None:
    proxy.rate = 3_000_000
    task = asyncio.ensure_future(store.pull(f"{proxy.host}/team/app:1"))
    while half_fetched(store) < 1_000_000:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    proxy.rate = 0
    await store.pull(f"{proxy.host}/team/app:1")
    assert any("Range: bytes=" in r.head for r in proxy.requests)
    assert leftovers(store) == []


async def test_what_both_images_have_is_fetched_and_kept_once(
    live: LiveRegistry, store: LocalImageStore, proxy: FaultyProxy, tmp_path: Path
) -> None:
    shared, own = tar(entry("shared", os.urandom(50_000))), [tar(entry("own", bytes([i]))) for i in (1, 2)]
    for number in (0, 1):
        layout(tmp_path / f"i{number}", shared, own[number])
        live.push(tmp_path / f"i{number}", f"shared/i{number}:1")
    first = await store.pull(f"{proxy.host}/shared/i0:1")
    before = len(proxy.requests)
    second = await store.pull(f"{proxy.host}/shared/i1:1")
    assert len(proxy.requests[before:]) == 4  # HEAD, manifest, configuration, own layer
    a, b = [await store.prepare_rootfs(image.id, f"c{image.id[7:12]}") for image in (first, second)]
    assert a.lower[-1] == b.lower[-1]
    assert a.lower[0] != b.lower[0]


async def test_nothing_blocks_the_loop(live: LiveRegistry, store: LocalImageStore, tmp_path: Path) -> None:
    """Between two turns of the loop its thread works only for moments. CPU time is what counts: how long the machine
    lets it wait for that is not its doing."""
    image, _ = three_layers(tmp_path / "again", 7)
    live.push(image, "quiet/app:1")
    longest, turns, last, done = 0.0, 0, time.thread_time(), False

    async def tick() -> None:
        nonlocal longest, turns, last
        while not done:
            await asyncio.sleep(0.005)
            now = time.thread_time()
            longest, turns, last = max(longest, now - last), turns + 1, now

    ticker = asyncio.ensure_future(tick())
    await store.pull(f"{live.host}/quiet/app:1")
    done = True
    await ticker
    assert turns > 3
    assert longest < 0.1
