"""Pulls from a real registry, on good days and bad ones."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sampan.runtime.errors import ImagePullError, InvalidImageName
from sampan.runtime.images.store import LocalImageStore
from sampan.runtime.records import AuthConfig, PullProgress
from tests.unit.runtime.images.archives import entry, layout, tar

from .conftest import no_pause, three_layers
from .registry import FaultyProxy, LiveRegistry, Request, needs_registry

pytestmark = [needs_registry, pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]


def blobs_only(request: Request) -> bool:
    return "/blobs/" in request.path


def leftovers(store: LocalImageStore) -> list[str]:
    """Whatever is half-made."""
    root = store.root
    found = [
        *root.glob("ingest/*"),
        *root.glob("leases/*"),
        *root.glob("s/*.new"),
        *root.glob("s/*.lock"),
        *root.glob("s/*.gone"),
    ]
    return [str(path.relative_to(root)) for path in found]


def half_fetched(store: LocalImageStore) -> int:
    """The largest blob that is on its way."""
    return max((path.stat().st_size for path in (store.root / "ingest").iterdir()), default=0)


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


# --- bad days -------------------------------------------------------------------------------------------------------


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


async def test_another_platforms_image_is_refused(live: LiveRegistry, store: LocalImageStore, tmp_path: Path) -> None:
    layout(tmp_path / "arm", tar(entry("a")), architecture="s390x")
    live.push(tmp_path / "arm", "other/arm:1")
    with pytest.raises(ImagePullError, match="no match for platform in manifest"):
        await store.pull(f"{live.host}/other/arm:1")


async def test_an_index_gives_this_platforms_image(live: LiveRegistry, store: LocalImageStore, tmp_path: Path) -> None:
    folder = tmp_path / "multi"
    entries = []
    for architecture in ("s390x", "amd64", "arm64"):
        layout(folder, tar(entry("arch", architecture.encode())), architecture=architecture)
        described = json.loads((folder / "index.json").read_text())["manifests"][0]
        entries.append({**described, "platform": {"os": "linux", "architecture": architecture}})
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": entries}))
    subprocess.run(
        ["skopeo", "copy", "-q", "--all", "--insecure-policy", "--dest-tls-verify=false", f"oci:{folder}",
         f"docker://{live.host}/multi/app:1"],
        check=False,
    )  # fmt: skip
    _push_index(live, "multi/app", "1", folder, entries)
    image = await store.pull(f"{live.host}/multi/app:1")
    rootfs = await store.prepare_rootfs(image.id, "c1")
    expected = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
    assert (Path(rootfs.lower[0]) / "arch").read_text() == expected


def _push_index(live: LiveRegistry, name: str, tag: str, folder: Path, entries: list[dict[str, object]]) -> None:
    """Blobs, manifests, then the index over them, by the protocol itself."""
    import urllib.request

    def send(method: str, url: str, body: bytes, kind: str) -> str:
        request = urllib.request.Request(url, data=body, method=method, headers={"Content-Type": kind})
        with urllib.request.urlopen(request) as answer:
            return str(answer.headers.get("Location", ""))

    base = f"http://{live.host}/v2/{name}"
    manifests = {str(e["digest"])[7:] for e in entries}
    for blob in (folder / "blobs/sha256").iterdir():
        if blob.name not in manifests:
            where = send("POST", f"{base}/blobs/uploads/", b"", "application/octet-stream")
            joint = "&" if "?" in where else "?"
            send("PUT", f"{where}{joint}digest=sha256:{blob.name}", blob.read_bytes(), "application/octet-stream")
    for hex_ in manifests:
        raw = (folder / "blobs/sha256" / hex_).read_bytes()
        send("PUT", f"{base}/manifests/sha256:{hex_}", raw, "application/vnd.oci.image.manifest.v1+json")
    kind = "application/vnd.oci.image.index.v1+json"
    index = json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": entries}).encode()
    send("PUT", f"{base}/manifests/{tag}", index, kind)


async def test_dockers_own_media_types(live: LiveRegistry, store: LocalImageStore, tmp_path: Path) -> None:
    layout(tmp_path / "d", tar(entry("a", b"docker")))
    live.push(tmp_path / "d", "docker/app:1", format_="v2s2")
    image = await store.pull(f"{live.host}/docker/app:1")
    assert (Path((await store.prepare_rootfs(image.id, "c")).lower[0]) / "a").read_text() == "docker"


async def test_zstd_layers(live: LiveRegistry, store: LocalImageStore, tmp_path: Path) -> None:
    layout(tmp_path / "z", tar(entry("a", b"z" * 100_000)))
    subprocess.run(
        ["skopeo", "copy", "-q", "--insecure-policy", "--dest-tls-verify=false", "--dest-compress-format", "zstd",
         f"oci:{tmp_path / 'z'}", f"docker://{live.host}/zstd/app:1"],
        check=True,
    )  # fmt: skip
    image = await store.pull(f"{live.host}/zstd/app:1")
    assert (Path((await store.prepare_rootfs(image.id, "c")).lower[0]) / "a").stat().st_size == 100_000


async def test_a_layer_that_is_not_what_the_configuration_says(
    live: LiveRegistry, store: LocalImageStore, tmp_path: Path
) -> None:
    layout(tmp_path / "w", tar(entry("a")), rootfs={"type": "layers", "diff_ids": ["sha256:" + "0" * 64]})
    live.push(tmp_path / "w", "wrong/app:1")
    with pytest.raises(
        ImagePullError, match=r'failed to extract layer sha256:0+: wrong diff id calculated on extraction "s'
    ):
        await store.pull(f"{live.host}/wrong/app:1")
    assert leftovers(store) == []
    assert list((store.root / "s").iterdir()) == []


async def test_a_hostile_layer_is_named(live: LiveRegistry, store: LocalImageStore, tmp_path: Path) -> None:
    layout(tmp_path / "h", tar(entry("../../../../../../escape", b"x")))
    live.push(tmp_path / "h", "hostile/app:1")
    with pytest.raises(ImagePullError, match=r'refused entry "\.\./.*": the path leaves the layer'):
        await store.pull(f"{live.host}/hostile/app:1")
    assert leftovers(store) == []


# --- who may --------------------------------------------------------------------------------------------------------


async def test_basic_credentials(guarded: LiveRegistry, store: LocalImageStore) -> None:
    name = f"{guarded.host}/team/app:1"
    with pytest.raises(ImagePullError) as caught:
        await store.pull(name)
    assert str(caught.value).endswith(
        "pull access denied, repository does not exist or may require authorization: "
        "authorization failed: no basic auth credentials"
    )
    with pytest.raises(
        ImagePullError, match=r"HEAD request to \S+: 401 Unauthorized: unauthorized: authentication requ"
    ):
        await store.pull(name, AuthConfig(username="sampan", password="wrong"))
    packed = AuthConfig(auth="c2FtcGFuOnNlY3JldA==")
    assert (await store.pull(name, packed)).repo_tags == [name]


# --- mirrors --------------------------------------------------------------------------------------------------------


async def test_a_mirror_is_asked_first_and_the_registry_after(
    live: LiveRegistry, proxy: FaultyProxy, store: LocalImageStore, tmp_path: Path
) -> None:
    folder = tmp_path / "certs.d/registry.invalid_5000_"
    folder.mkdir(parents=True)
    (folder / "hosts.toml").write_text(
        f'server = "http://{live.host}"\n[host."http://{proxy.host}"]\ncapabilities = ["pull", "resolve"]\n'
    )
    name = "registry.invalid:5000/team/app:1"
    image = await store.pull(name)
    assert image.repo_tags == [name]
    assert all("ns=registry.invalid:5000" in r.path for r in proxy.requests)
    await store.remove(name)
    proxy.plan = lambda _: ("status", 404)
    assert (await store.pull(name)).id == image.id


# --- sudden ends ----------------------------------------------------------------------------------------------------

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
    deadline = time.monotonic() + 5  # a killed puller's unpacking worker may take a moment to end
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


# --- full disks -----------------------------------------------------------------------------------------------------


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
