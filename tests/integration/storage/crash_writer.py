"""The child of the crash suite: writes as fast as it can and says so on stdout, until it is killed.

Each writer owns its keys and does one write at a time. It says what it is about to do and, once that is acknowledged,
at which revision: one line each, one system call each, so that every line that was said reaches the parent however this
process ends.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from pathlib import Path

from sampan.storage import sqlite
from sampan.storage.contract import KeyValue, StoreFailed, StoreFull
from sampan.storage.engine import EmbeddedStore
from sampan.storage.upkeep import UpkeepConfig

WRITERS = 8
KEYS = 25


def value_of(key: str, number: int) -> bytes:
    """A value that shows whether it is whole and where it belongs."""
    return f"{key} {number} ".encode() + (f"{number:08}".encode() * 400)[: number * 37 % 3200] + b" end"


def say(*words: object) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


async def write(store: EmbeddedStore, writer: int) -> None:
    prefix = f"/registry/w{writer}/"
    have: dict[str, KeyValue] = {kv.key: kv for kv in (await store.range(prefix=prefix)).items}
    # Numbers go up over all lives of the process, so that no two writes of a key are alike.
    number = await store.current_revision() * WRITERS + writer
    while True:
        number += WRITERS
        key = f"{prefix}{random.randrange(KEYS)}"
        current = have.get(key)
        try:
            if current is None:
                say("will", key, number)
                have[key] = await store.create(key=key, value=value_of(key, number))
                say("did", key, have[key].revision, number)
            elif random.random() < 0.2:
                say("will", key, "-")
                gone = await store.delete(key=key, expected_revision=current.revision)
                del have[key]
                say("did", key, gone.revision, "-")
            else:
                say("will", key, number)
                have[key] = await store.update(key=key, value=value_of(key, number), expected_revision=current.revision)
                say("did", key, have[key].revision, number)
        except StoreFull:
            say("full", key)
            await asyncio.sleep(0.005)


async def main(path: Path, checkpoint_bytes: int) -> None:
    try:
        store = await sqlite.open_store(
            path=path,
            upkeep=UpkeepConfig(history_bytes=500_000),  # small, so that in a short life there is much to be killed in
            recent_bytes=200_000,
            disk_options={"checkpoint_bytes": checkpoint_bytes},
        )
    except StoreFull:
        say("cannot open")
        return
    say("open", await store.current_revision())
    try:
        await asyncio.gather(*(write(store, writer) for writer in range(WRITERS)))
    except StoreFailed:  # the store's own process was killed
        say("failed")
        os._exit(1)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
