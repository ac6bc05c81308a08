"""What the SQLite store reaches on this machine's disk: `python -m bench.storage`. Each function returns figures.

The files go to /var/tmp (or SAMPAN_BENCH_DIR), which must be a real disk: a figure of durable writes on a tmpfs means
nothing.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import uvloop

from sampan.storage import sqlite
from sampan.storage.contract import WatchEvent

VALUE_BYTES = 3000

# figure → what it must be: at least, or at most for those that end in a unit of time
TARGETS = {
    "writes/s, 1 writer": 1000,
    "writes/s, 16 writers": 4000,
    "watch, p99 ms": 20,
    "subscribe, p99 ms": 20,
    "open, s": 1,
}


def writes(*, writers: int, total: int) -> dict[str, float]:
    """Durable updates and creates of 3 KB objects, each writer waiting for its own."""

    async def measure(folder: Path) -> dict[str, float]:
        store = await sqlite.open_store(path=folder / "store.db")
        spent: list[float] = []

        async def write(writer: int) -> None:
            for number in range(total // writers // 2):
                key = f"/registry/pods/w{writer}/{number:06}"
                start = time.perf_counter()
                made = await store.create(key=key, value=os.urandom(VALUE_BYTES))
                middle = time.perf_counter()
                await store.update(key=key, value=os.urandom(VALUE_BYTES), expected_revision=made.revision)
                spent.extend((middle - start, time.perf_counter() - middle))

        start = time.perf_counter()
        await asyncio.gather(*(write(writer) for writer in range(writers)))
        rate = len(spent) / (time.perf_counter() - start)
        await store.close()
        name = f"{writers} writer{'s' if writers > 1 else ''}"
        return {f"writes/s, {name}": rate, f"write, {name}, p99 ms": _percentile(spent, 0.99) * 1000}

    return _run(measure)


def writes_beside_work(*, writers: int, seconds: float, slice_seconds: float) -> dict[str, float]:
    """The same on a loop that is busy all the time with other work, in slices: what a write waits for the
    interpreter."""

    async def measure(folder: Path) -> dict[str, float]:
        store = await sqlite.open_store(path=folder / "store.db")
        spent: list[float] = []
        deadline = time.perf_counter() + seconds

        async def work() -> None:
            while time.perf_counter() < deadline:
                end = time.perf_counter() + slice_seconds
                while time.perf_counter() < end:
                    pass
                await asyncio.sleep(0)

        async def write(writer: int) -> None:
            number = 0
            while (start := time.perf_counter()) < deadline:
                number += 1
                await store.create(key=f"/registry/pods/w{writer}/{number:06}", value=bytes(VALUE_BYTES))
                spent.append(time.perf_counter() - start)

        await asyncio.gather(work(), *(write(writer) for writer in range(writers)))
        await store.close()
        return {
            f"writes/s beside work, {writers} writers": len(spent) / seconds,
            f"write beside work, {writers} writers, p99 ms": _percentile(spent, 0.99) * 1000,
        }

    return _run(measure)


def watch(*, watchers: int, rate: int, seconds: float, subscribe: bool = False) -> dict[str, float]:
    """From the call of a write to when each of many watchers has its event, at a steady rate."""

    async def measure(folder: Path) -> dict[str, float]:
        store = await sqlite.open_store(path=folder / "store.db")
        sent: dict[str, float] = {}
        late: list[float] = []

        def seen(events: Sequence[WatchEvent]) -> None:
            now = time.perf_counter()
            late.extend(now - sent[event.key] for event in events)

        async def iterate(ready: asyncio.Event) -> None:
            async with store.watch(prefix="/registry/pods/") as watching:
                ready.set()
                async for events in watching:
                    seen(events)

        tasks = []
        for _ in range(watchers):
            if subscribe:
                store.subscribe(prefix="/registry/pods/", callback=seen)
            else:
                ready = asyncio.Event()
                tasks.append(asyncio.ensure_future(iterate(ready)))
                await ready.wait()

        async def write(key: str) -> None:
            sent[key] = time.perf_counter()
            await store.create(key=key, value=bytes(VALUE_BYTES))

        start, cpu = time.perf_counter(), time.process_time()
        writing = []
        total = int(rate * seconds)
        for number in range(total):
            await asyncio.sleep(max(start + number / rate - time.perf_counter(), 0))
            writing.append(asyncio.ensure_future(write(f"/registry/pods/default/{number:06}")))
        await asyncio.gather(*writing)
        await asyncio.sleep(0.1)
        used = (time.process_time() - cpu) / (time.perf_counter() - start)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await store.close()
        assert len(late) == total * watchers, f"{len(late)} events of {total * watchers} arrived"
        name = "subscribe" if subscribe else "watch"
        return {
            f"{name}, p50 ms": _percentile(late, 0.5) * 1000,
            f"{name}, p99 ms": _percentile(late, 0.99) * 1000,
            f"{name}, cores used": used,
        }

    return _run(measure)


def open_many(*, objects: int) -> dict[str, float]:
    """Opening a store: every row is read and checked. Once from the page cache, once from the disk."""

    async def measure(folder: Path) -> dict[str, float]:
        path = folder / "store.db"
        store = await sqlite.open_store(path=path)
        for first in range(0, objects, 500):
            await asyncio.gather(
                *(
                    store.create(key=f"/registry/pods/n/{first + n:06}", value=os.urandom(VALUE_BYTES))
                    for n in range(500)
                )
            )
        await store.close()
        figures = {}
        for name in ("open, s", "open from disk, s"):
            if name == "open from disk, s":
                _forget(path)
            start = time.perf_counter()
            store = await sqlite.open_store(path=path)
            figures[name] = time.perf_counter() - start
            assert await store.current_revision() == objects + 1
            await store.close()
        return figures

    return _run(measure)


def main() -> None:
    print(f"store on {_file_system(_bench_dir())}, objects of {VALUE_BYTES} bytes")
    for figures in _all():
        for name, figure in figures.items():
            print(f"{name:45} {figure:10.2f}{_verdict(name, figure)}")


def _verdict(name: str, figure: float) -> str:
    target = TARGETS.get(name)
    if target is None:
        return ""
    less_is_better = name.endswith((" ms", ", s"))
    good = figure <= target if less_is_better else figure >= target
    return f"   must be {'<=' if less_is_better else '>='} {target}: {'ok' if good else 'MISSED'}"


def run() -> dict[str, float]:
    return {name: figure for figures in _all() for name, figure in figures.items()}


def _all() -> Iterator[dict[str, float]]:
    yield writes(writers=1, total=6000)
    yield writes(writers=16, total=40_000)
    yield writes_beside_work(writers=16, seconds=3, slice_seconds=0.001)
    yield watch(watchers=100, rate=1000, seconds=5)
    yield watch(watchers=100, rate=1000, seconds=5, subscribe=True)
    yield open_many(objects=50_000)


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sampan-bench-", dir=_bench_dir()) as folder:
        yield Path(folder)


def _run(measure: Callable[[Path], Coroutine[None, None, dict[str, float]]]) -> dict[str, float]:
    with _folder() as folder:
        return uvloop.run(measure(folder))


def _bench_dir() -> str:
    return os.environ.get("SAMPAN_BENCH_DIR", "/var/tmp")


def _percentile(samples: list[float], share: float) -> float:
    return sorted(samples)[min(int(len(samples) * share), len(samples) - 1)]


def _file_system(path: str) -> str:
    return subprocess.run(["stat", "-f", "-c", "%T", path], capture_output=True, text=True).stdout.strip()


def _forget(path: Path) -> None:
    """Have the system drop what it holds of a file, so that it is read from the disk again."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(handle)


if __name__ == "__main__":
    main()
