"""Pulls on bad days: connections that break, registries that lie or are not there, disks that are full."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from sampan.runtime.errors import ImagePullError, InvalidImageName
from sampan.runtime.images.store import LocalImageStore

from .conftest import no_pause
from .looking import blobs_only, leftovers
from .registry import FaultyProxy, LiveRegistry, Request, needs_registry

pytestmark = [needs_registry, pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]


async def test_a_cut_connection_is_taken_up_where_it_broke(store: LocalImageStore, proxy: FaultyProxy) -> None:
    proxy.plan = lambda r: ("cut", 700_000) if blobs_only(r) else None
    await store.pull(f"{proxy.host}/team/app:1")
    offsets = [int(m[1]) for r in proxy.requests if (m := re.search(r"Range: bytes=(\d+)-", r.head))]
    assert offsets == sorted(offsets)
    assert len(offsets) >= 4
    assert leftovers(store) == []


async def test_a_registry_that_restarts_is_waited_for(
    live: LiveRegistry, proxy: FaultyProxy, store: LocalImageStore, tmp_path: Path
) -> None:
    """While it is away connections are refused; the blob goes on where it was."""
    pauses = 0

    async def pause(_: float) -> None:
        nonlocal pauses
        pauses += 1
        if pauses == 3:
            proxy.plan = lambda _: None
            await proxy.listen(proxy.port)

    def plan(request: Request) -> tuple[object, ...] | None:
        if not blobs_only(request):
            return None
        proxy.stop_listening()
        return ("cut", 200)

    proxy.plan = plan
    patient = LocalImageStore(tmp_path / "patient", sleep=pause)
    await patient.start()
    assert (await patient.pull(f"{proxy.host}/team/app:1")).repo_tags
    assert pauses >= 3
    await patient.close()


async def test_faults_that_pass_are_outlasted(store: LocalImageStore, proxy: FaultyProxy) -> None:
    seen: dict[str, int] = {}

    def plan(request: Request) -> tuple[object, ...] | None:
        seen[request.path] = seen.get(request.path, 0) + 1
        return [("refuse",), ("status", 503), None][min(seen[request.path] - 1, 2)]

    proxy.plan = plan
    assert (await store.pull(f"{proxy.host}/team/app:1")).repo_tags


async def test_a_corrupted_blob_is_fetched_anew_once(store: LocalImageStore, proxy: FaultyProxy) -> None:
    spoiled: set[str] = set()

    def plan(request: Request) -> tuple[object, ...] | None:
        if not blobs_only(request) or request.path in spoiled:
            return None
        spoiled.add(request.path)
        return ("corrupt", 5)

    proxy.plan = plan
    await store.pull(f"{proxy.host}/team/app:1")
    assert leftovers(store) == []


async def test_a_corrupting_registry_is_found_out(store: LocalImageStore, proxy: FaultyProxy) -> None:
    proxy.plan = lambda r: ("corrupt", 5) if blobs_only(r) else None
    with pytest.raises(
        ImagePullError, match=r"unexpected commit digest sha256:\w+, expected sha256:\w+: failed precond"
    ):
        await store.pull(f"{proxy.host}/team/app:1")
    assert await store.list_images() == []
    assert leftovers(store) == []


async def test_a_corrupted_manifest_is_found_out(store: LocalImageStore, proxy: FaultyProxy) -> None:
    proxy.plan = lambda r: ("corrupt", 40) if r.method == "GET" and "/manifests/" in r.path else None
    with pytest.raises(ImagePullError, match="unexpected commit digest"):
        await store.pull(f"{proxy.host}/team/app:1")


async def test_a_registry_that_stays_broken_is_reported(store: LocalImageStore, proxy: FaultyProxy) -> None:
    proxy.plan = lambda r: ("status", 500) if blobs_only(r) else None
    with pytest.raises(
        ImagePullError, match=r"unexpected status from GET request to http://\S+/blobs/\S+: 500"
    ) as caught:
        await store.pull(f"{proxy.host}/team/app:1")
    name = f"{proxy.host}/team/app:1"
    assert str(caught.value).startswith(f'failed to pull and unpack image "{name}": failed to copy: ')


async def test_what_is_not_there(live: LiveRegistry, store: LocalImageStore) -> None:
    name = f"{live.host}/team/none:9"
    with pytest.raises(ImagePullError) as caught:
        await store.pull(name)
    assert str(caught.value) == (
        f'failed to pull and unpack image "{name}": failed to resolve reference "{name}": {name}: not found'
    )


async def test_nobody_there(store: LocalImageStore) -> None:
    with pytest.raises(ImagePullError) as caught:
        await store.pull("127.0.0.1:9/none/none:1")
    assert str(caught.value) == (  # word for word what a real cluster's events say
        'failed to pull and unpack image "127.0.0.1:9/none/none:1": failed to resolve reference '
        '"127.0.0.1:9/none/none:1": failed to do request: Head "http://127.0.0.1:9/v2/none/none/manifests/1": '
        "dial tcp 127.0.0.1:9: connect: connection refused"
    )


async def test_a_host_that_does_not_exist(store: LocalImageStore) -> None:
    with pytest.raises(
        ImagePullError, match=r"dial tcp: lookup registry\.invalid.*: (no such host|server misbehaving)"
    ):
        await store.pull("registry.invalid/a:1")


async def test_a_bad_name(store: LocalImageStore) -> None:
    with pytest.raises(InvalidImageName, match="couldn't parse image name"):
        await store.pull("Bad Image:")


@pytest.mark.parametrize("size", ["2m", "5m"])
async def test_a_full_disk_is_reported_and_given_back(live: LiveRegistry, tmp_path: Path, size: str) -> None:
    """2 MB: the download does not fit; 5 MB: the download does, its layer does not."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk], check=True)
    try:
        store = LocalImageStore(disk / "images", sleep=no_pause, overlay=True)
        await store.start()
        used = shutil.disk_usage(disk).used
        with pytest.raises(ImagePullError, match="no space left on device"):
            await store.pull(f"{live.host}/team/app:1")
        assert leftovers(store) == []
        if size == "2m":
            assert shutil.disk_usage(disk).used <= used + 65536
        assert await store.list_images() == []
        await store.close()
    finally:
        subprocess.run(["umount", disk], check=True)
