"""A file is cut short or a bit of it turns over: the store is refused, with a reason, or is whole. Never wrong data."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from sampan.storage import sqlite
from sampan.storage.contract import KeyValue, StoreCorrupt
from sampan.storage.disk.acknowledged import Acknowledged

from .crashes import Witness, run_and_kill

FILES = ["", "-wal", ".acknowledged"]
Everything = tuple[int, list[list[KeyValue]]]


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store whose process was killed: what is old is in the database, what is new in the write-ahead log alone."""
    path = tmp_path_factory.mktemp("crashed") / "store.db"

    async def fill() -> None:
        store = await sqlite.open_store(path=path)
        for number in range(200):
            await store.create(key=f"/old/{number}", value=b"%d " % number * 700)
        await store.close()

    asyncio.run(fill())
    witness = Witness()
    witness.hear(run_and_kill(path, after=0.3, checkpoint_bytes=10**9))
    assert witness.writes > 50
    return path


def flip(content: bytearray) -> str:
    # The log is laid out with zeros that mean nothing: aim at what was written.
    at = random.randrange(max(len(content.rstrip(b"\0")), 1))
    bit = random.randrange(8)
    content[at] ^= 1 << bit
    return f"bit {bit} of byte {at} turned over"


def cut(content: bytearray) -> str:
    at = random.randrange(max(len(content.rstrip(b"\0")), 1))
    del content[at:]
    return f"cut at byte {at}"


def blank(content: bytearray) -> str:
    """A page that never reached the disk."""
    at = random.randrange(max(len(content.rstrip(b"\0")) // 4096, 1)) * 4096
    content[at : at + 4096] = bytes(min(4096, len(content) - at))
    return f"4096 bytes at {at} blanked"


@pytest.mark.parametrize("harm", [flip, cut, blank])
@pytest.mark.parametrize("file", FILES)
async def test_damage_is_refused_or_without_effect(
    crashed: Path, tmp_path: Path, file: str, harm: Callable[[bytearray], str]
) -> None:
    whole = copy(crashed, tmp_path / "whole")
    acknowledged = last_acknowledged(whole)
    expected = await everything(whole)
    verdicts: Counter[str] = Counter()
    for number in range(25):
        path = copy(crashed, tmp_path / str(number))
        content = bytearray(Path(f"{path}{file}").read_bytes())
        what = harm(content)
        Path(f"{path}{file}").write_bytes(content)
        found: Everything | StoreCorrupt
        try:
            found = await everything(path)
        except StoreCorrupt as error:
            found = error
        if isinstance(found, StoreCorrupt):
            assert str(path) in str(found)
            verdicts["refused"] += 1
        else:
            assert is_whole(found, expected, acknowledged), f"{what}: other data"
            verdicts["whole"] += 1
        shutil.rmtree(path.parent)
    print(f"{file or 'database'}, {harm.__name__}: {dict(verdicts)}")
    if (file, harm) != (".acknowledged", flip):  # that file says it twice: one bit cannot take it away
        assert verdicts["refused"] > 0


def last_acknowledged(path: Path) -> int:
    mark = Acknowledged.open(f"{path}.acknowledged")
    try:
        return mark.revision
    finally:
        mark.close()


def is_whole(found: Everything, expected: Everything, acknowledged: int) -> bool:
    """All that was acknowledged is there. Writes that nobody was told of may be gone with the end of the log."""
    lost = expected[0] - found[0]
    if lost == 0:
        return found == expected
    return 0 < lost <= expected[0] - acknowledged and found[1][-1] == expected[1][-1 - lost]


def copy(crashed: Path, folder: Path) -> Path:
    folder.mkdir()
    for file in FILES:
        shutil.copy(f"{crashed}{file}", f"{folder / crashed.name}{file}")
    return folder / crashed.name


async def everything(path: Path) -> Everything:
    """The revision and every state there is, read back from the file; and it can be written to."""
    store = await sqlite.open_store(path=path, recent_bytes=0)
    try:
        revision = await store.current_revision()
        states = [
            (await store.range(prefix="", revision=at)).items
            for at in range(max(store.index.base, revision - 20), revision + 1)
        ]
        await store.create(key="/new", value=b"x" * 5000)
        await store.compact(revision=revision)
        assert (await store.range(prefix="")).items[1:] == states[-1]
    finally:
        await store.close()
    await (await sqlite.open_store(path=path)).close()
    return revision, states
