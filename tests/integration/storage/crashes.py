"""Running the writing child, killing it, and holding what it said against what is on disk."""

from __future__ import annotations

import asyncio
import enum
import os
import random
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from sampan.storage import sqlite
from sampan.storage.contract import WatchEvent
from sampan.storage.disk.lockfile import is_alive
from sampan.storage.engine import EmbeddedStore

from .crash_writer import value_of

State = tuple[int, bytes] | None  # a key's revision and value


@dataclass
class Witness:
    """What the children said, over all their lives."""

    acknowledged: dict[str, State] = field(default_factory=dict)
    under_way: dict[str, bytes | None] = field(default_factory=dict)
    revision: int = 1
    writes: int = 0
    full: int = 0

    def hear(self, output: bytes) -> None:
        for line in output.decode().splitlines():
            match line.split():
                case ["open", revision]:
                    assert int(revision) >= self.revision, "the revision went back"
                case ["will", key, number]:
                    self.under_way[key] = None if number == "-" else value_of(key, int(number))
                case ["did", key, revision, number]:
                    del self.under_way[key]
                    self.acknowledged[key] = None if number == "-" else (int(revision), value_of(key, int(number)))
                    self.revision = max(self.revision, int(revision))
                    self.writes += 1
                case ["full", key]:
                    del self.under_way[key]
                    self.full += 1
                case ["failed"] | ["cannot", "open"]:
                    pass
                case _:
                    raise AssertionError(f"the child said {line!r}")

    async def check(self, store: EmbeddedStore) -> None:
        """Every acknowledged write is there, and beside those at most what was under way, whole."""
        found: dict[str, State] = {kv.key: (kv.revision, kv.value) for kv in (await store.range(prefix="")).items}
        for key in found.keys() | self.acknowledged.keys() | self.under_way.keys():
            now, before = found.get(key), self.acknowledged.get(key)
            if now == before:
                continue
            assert key in self.under_way, f"{key}: {now and now[0]} is there, {before and before[0]} was acknowledged"
            assert (now and now[1]) == self.under_way[key], f"{key}: holds what nobody wrote"
            self.acknowledged[key] = now  # it was not acknowledged, but it is there: from now on it has to stay
        self.under_way.clear()
        assert await store.current_revision() >= self.revision, "the revision went back"
        self.revision = await store.current_revision()
        await _check_history(store)


async def _check_history(store: EmbeddedStore) -> None:
    """What is left of the past has no hole, and leads to the present."""
    base, last = store.index.base, store.index.revision
    past = await store.range(prefix="", revision=base)
    state = {kv.key: kv for kv in past.items}
    events: list[WatchEvent] = []
    if last > base:
        async with store.watch(prefix="", from_revision=base + 1) as watch:
            while len(events) < last - base:
                events += await asyncio.wait_for(anext(watch), 10)
    assert [event.revision for event in events] == list(range(base + 1, last + 1))
    for event in events:
        assert event.previous == state.pop(event.key, None)
        if event.type.value != "deleted":
            state[event.key] = event.kv
    assert sorted(state) == [kv.key for kv in (await store.range(prefix="")).items]


class Kill(enum.Enum):
    """Who is killed: the server with its store's process, as in a power cut; the server; the store's process first."""

    BOTH = enum.auto()
    SERVER = enum.auto()
    STORE = enum.auto()


def start_child(path: Path, *, checkpoint_bytes: int = 300_000) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.integration.storage.crash_writer", str(path), str(checkpoint_bytes)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0, start_new_session=True)


def run_and_kill(
    path: Path, *, after: float, kill: Kill = Kill.BOTH, settle: bool = True, checkpoint_bytes: int = 300_000
) -> bytes:
    """Let a child write for so many seconds, counted from its first word (0: from its first breath), and kill it.

    With `settle` nobody touches the files when this returns. Returns all that the child said.
    """
    child = start_child(path, checkpoint_bytes=checkpoint_bytes)
    assert child.stdout is not None
    pipe = child.stdout.fileno()
    said = os.read(pipe, 65536) if after else b""
    said += _listen(pipe, after or random.uniform(0.05, 0.4))
    store = store_process_of(child.pid)
    if kill is Kill.STORE and store is not None:
        os.kill(store, signal.SIGKILL)
        said += _listen(pipe, random.uniform(0.05, 0.3))  # the server goes on with another one
    if kill is Kill.SERVER:
        child.kill()
    else:
        os.killpg(child.pid, signal.SIGKILL)
    if settle and store is not None:
        await_end(store)
    while rest := os.read(pipe, 65536):
        said += rest
    child.wait()
    child.stdout.close()
    return said


def store_process_of(server: int) -> int | None:
    for thread in Path(f"/proc/{server}/task").iterdir():
        for process in (thread / "children").read_text().split():
            return int(process)
    return None


def await_end(process: int) -> None:
    deadline = time.monotonic() + 10
    while is_alive(process):
        assert time.monotonic() < deadline, f"process {process} stays behind"
        time.sleep(0.005)


def _listen(pipe: int, seconds: float) -> bytes:
    said = b""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if select.select([pipe], [], [], left)[0]:  # a full pipe would stop the child
            said += os.read(pipe, 65536)
    return said


async def check(path: Path, witness: Witness) -> None:
    store = await sqlite.open_store(path=path)
    try:
        await witness.check(store)
    finally:
        await store.close()
