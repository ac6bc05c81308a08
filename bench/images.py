"""What pulling and unpacking reach: `python -m bench.images` (root). Each function returns figures.

The layer is made of this host's own files, so that it has the usual mix of many small and few large ones. `tar` is
timed in turns with ours, and the better of three runs of each counts: this evens out what else the machine does.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import uvloop

from sampan.runtime.images.archive import load
from sampan.runtime.images.decompress import Limits
from sampan.runtime.images.examples import build_example_images
from sampan.runtime.images.store import LocalImageStore
from sampan.runtime.images.unpack_process import UnpackWorker
from tests.integration.images.registry import start_registry
from tests.unit.runtime.images.archives import layout

RAW_BYTES = 290_000_000
ROUNDS = 3

# figure → what it must be: at least for rates and shares, at most for times
TARGETS = {
    "unpack 100 MB gzip, % of tar's speed": 50.0,
    "unpack 100 MB zstd, % of tar's speed": 50.0,
    "pull 100 MB, % of curl and tar's speed": 50.0,
    "small layer, ms": 100.0,
    "prepare and remove a root, ms": 5.0,
}


def sample(folder: Path) -> Path:
    """A tar of as many of the host's files as pack to about 100 MB, also as gzip (level 6) and zstd."""
    source = folder / "layer.tar"
    total = 0
    with (folder / "names").open("wb") as names:
        for path in sorted(Path("/usr").rglob("*")):
            if path.is_symlink() or not path.is_file() or path.stat().st_size > 20_000_000:
                continue
            names.write(bytes(path) + b"\0")
            total += path.stat().st_size
            if total > RAW_BYTES:
                break
    subprocess.run(["tar", "-Pcf", source, "--null", "-T", folder / "names"], check=True)
    subprocess.run(["gzip", "-6", "--keep", source], check=True)
    subprocess.run(["zstd", "-q", "-3", source], check=True)
    print(
        f"layer of {source.with_name('layer.tar.gz').stat().st_size / 1e6:.0f} MB packed, {total / 1e6:.0f} MB unpacked"
    )
    return source


def unpacking(folder: Path, source: Path) -> dict[str, float]:
    figures = {}
    for name, suffix in (("gzip", ".gz"), ("zstd", ".zst")):
        packed = source.with_name(source.name + suffix)
        theirs, ours = in_turns(
            lambda target, packed=packed: tar_extract(packed, target),
            lambda target, packed=packed: uvloop.run(worker(packed, target)),
            folder,
        )
        figures[f"unpack 100 MB {name}, s (tar {theirs:.2f})"] = ours
        figures[f"unpack 100 MB {name}, % of tar's speed"] = theirs / ours * 100
    return figures


def tar_extract(packed: Path, target: Path) -> None:
    subprocess.run(["tar", "-xf", packed, "-C", target], check=True, stderr=subprocess.DEVNULL)


async def worker(packed: Path, target: Path) -> None:
    fd = os.open(target, os.O_RDONLY | os.O_DIRECTORY)
    try:
        async with UnpackWorker() as process:
            await process.unpack(packed, fd, [], Limits(), lock=fd)
    finally:
        os.close(fd)


def pulling(folder: Path, source: Path) -> dict[str, float]:
    """From a registry on loopback: download, check, unpack, record; beside curl into tar, which checks nothing."""
    registry = start_registry(folder / "registry")
    try:
        layout(folder / "image", source.read_bytes())
        registry.push(folder / "image", "bench/app:1")
        described = json.loads((folder / "image/index.json").read_text())["manifests"][0]["digest"]
        manifest = json.loads((folder / "image/blobs/sha256" / described[7:]).read_text())
        url = f"http://{registry.host}/v2/bench/app/blobs/{manifest['layers'][0]['digest']}"

        async def pull(target: Path) -> None:
            store = LocalImageStore(target)
            await store.start()
            await store.pull(f"{registry.host}/bench/app:1")
            await store.close()

        theirs, ours = in_turns(
            lambda target: subprocess.run(
                ["sh", "-c", f"curl -s {url} | tar -xzf - -C {target} 2>/dev/null"], check=True
            ),
            lambda target: uvloop.run(pull(target)),
            folder,
        )
    finally:
        registry.stop()
    return {
        f"pull 100 MB, s (curl and tar {theirs:.2f})": ours,
        "pull 100 MB, % of curl and tar's speed": theirs / ours * 100,
    }


def small_things(folder: Path) -> dict[str, float]:
    async def measure() -> dict[str, float]:
        store = LocalImageStore(folder / "small")
        await store.start()
        start = time.perf_counter()
        images = await build_example_images(store)
        built = time.perf_counter() - start
        spent = []
        for _ in range(ROUNDS):
            await store.remove("sampan.local/echo:1.0")
            shutil.rmtree(folder / "tiny", ignore_errors=True)
            layout(folder / "tiny", b"\0" * 10240, ref="tiny:1")
            start = time.perf_counter()
            await load(store, folder / "tiny")
            spent.append(time.perf_counter() - start)
            await store.remove("tiny:1")
            await build_example_images(store)
        start = time.perf_counter()
        for number in range(200):
            await store.prepare_rootfs(images[0].id, f"c{number}")
            await store.remove_rootfs(f"c{number}")
        roots = (time.perf_counter() - start) / 200
        await store.close()
        return {
            "build the example images, s": built,
            "small layer, ms": min(spent) * 1000,
            "prepare and remove a root, ms": roots * 1000,
        }

    return asyncio.run(measure())


def in_turns(theirs: Callable[[Path], object], ours: Callable[[Path], object], folder: Path) -> tuple[float, float]:
    best = [float("inf"), float("inf")]
    for _ in range(ROUNDS):
        for which, work in enumerate((theirs, ours)):
            target = folder / "target"
            target.mkdir()
            start = time.perf_counter()
            work(target)
            best[which] = min(best[which], time.perf_counter() - start)
            shutil.rmtree(target)
    return best[0], best[1]


def main() -> None:
    with tempfile.TemporaryDirectory(
        prefix="sampan-bench-", dir=os.environ.get("SAMPAN_BENCH_DIR", "/var/tmp")
    ) as name:
        for figures in _all(Path(name)):
            for key, figure in figures.items():
                print(f"{key:45} {figure:10.2f}{verdict(key, figure)}", flush=True)


def verdict(name: str, figure: float) -> str:
    target = TARGETS.get(name)
    if target is None:
        return ""
    at_most = name.endswith((" ms", " s"))
    good = figure <= target if at_most else figure >= target
    return f"   must be {'<=' if at_most else '>='} {target}: {'ok' if good else 'MISSED'}"


def run(folder: Path) -> dict[str, float]:
    return {name: figure for figures in _all(folder) for name, figure in figures.items()}


def _all(folder: Path) -> Iterator[dict[str, float]]:
    yield small_things(folder)
    source = sample(folder)
    yield unpacking(folder, source)
    yield pulling(folder, source)


if __name__ == "__main__":
    main()
