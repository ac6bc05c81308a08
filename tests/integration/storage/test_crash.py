"""A process is killed while it writes, again and again on the same store: nothing that was acknowledged is lost.

20 rounds by default; `SAMPAN_CRASH_ROUNDS=200` for the long run.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
from pathlib import Path

import pytest

from sampan.storage import sqlite
from sampan.storage.contract import StoreInUse

from .crashes import Kill, Witness, await_end, check, run_and_kill, start_child, store_process_of

ROUNDS = int(os.environ.get("SAMPAN_CRASH_ROUNDS", "20"))


@pytest.mark.timeout(60 + ROUNDS * 5)
async def test_nothing_acknowledged_is_lost_to_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "store" / "store.db"
    witness = Witness()
    for number in range(ROUNDS):
        # Mostly while writing; now and then before or while opening, which is when the last crash is recovered from.
        after = 0.0 if number % 10 == 9 else random.uniform(0.001, 0.3)
        kill = random.choice([Kill.BOTH, Kill.BOTH, Kill.SERVER, Kill.STORE]) if after else Kill.BOTH
        witness.hear(run_and_kill(path, after=after, kill=kill, settle=number % 2 == 0))
        if number % 2:
            await check(path, witness)
        else:  # on a copy: the next child shall find what this one left
            copy = tmp_path / "copy"
            shutil.copytree(path.parent, copy)
            if path.exists():
                await check(copy / path.name, witness)
            shutil.rmtree(copy)
    print(f"{ROUNDS} kills, {witness.writes} acknowledged writes, revision {witness.revision}")
    assert witness.writes > ROUNDS


async def test_the_stores_process_ends_with_its_server(tmp_path: Path) -> None:
    child = start_child(tmp_path / "store.db")
    assert child.stdout is not None
    assert child.stdout.readline() == b"open 1\n"
    store_process = store_process_of(child.pid)
    assert store_process is not None
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):  # meant for the server: the store outlives them
        os.kill(store_process, number)
    for _ in range(500):
        assert child.stdout.readline()
    assert store_process_of(child.pid) == store_process
    child.kill()
    child.communicate()
    await_end(store_process)


async def test_a_second_process_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    child = start_child(path)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == b"open 1\n"
        with pytest.raises(StoreInUse, match=f"store.db is in use by process {child.pid}") as refused:
            await sqlite.open_store(path=path)
        assert refused.value.pid == child.pid
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
    await (await sqlite.open_store(path=path)).close()
