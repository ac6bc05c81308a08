"""What a SQLite store is like the next time: the same, or refused."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from sampan.storage import sqlite
from sampan.storage.contract import Compacted, KeyValue, StoreCorrupt, StoreInUse


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


async def fill(path: Path, count: int = 50) -> list[KeyValue]:
    store = await sqlite.open_store(path=path)
    made = [await store.create(key=f"/p/{number:03}", value=b"%d" % number * 500) for number in range(count)]
    await store.close()
    return made


async def test_everything_is_there_again(path: Path) -> None:
    made = await fill(path)
    store = await sqlite.open_store(path=path)
    assert (await store.range(prefix="/p/")).items == made
    async with store.watch(prefix="/p/", from_revision=made[10].revision) as watch:
        assert (await anext(watch))[0].kv == made[10]
    await store.close()


async def test_the_revision_never_goes_back(path: Path) -> None:
    """Not even when the newest write was a delete whose row a compaction took away."""
    store = await sqlite.open_store(path=path)
    await store.create(key="/a", value=b"")
    gone = await store.delete(key="/a")
    await store.compact(revision=gone.revision)
    await store.close()

    store = await sqlite.open_store(path=path)
    assert await store.current_revision() == gone.revision
    with pytest.raises(Compacted):
        await store.range(prefix="/", revision=gone.revision - 1)
    assert (await store.create(key="/a", value=b"")).revision == gone.revision + 1
    await store.close()


async def test_life_spans_go_on(path: Path) -> None:
    now = [1_800_000_000.0]
    store = await sqlite.open_store(path=path, clock=lambda: now[0])
    await store.create(key="/e", value=b"", ttl_seconds=60)
    await store.close()
    now[0] += 61
    store = await sqlite.open_store(path=path, clock=lambda: now[0])
    await store.maintain()
    assert await store.get(key="/e") is None
    await store.close()


async def test_a_second_opener_is_told_who_has_it(path: Path) -> None:
    store = await sqlite.open_store(path=path)
    with pytest.raises(StoreInUse, match=f"in use by process {os.getpid()}"):
        await sqlite.open_store(path=path)
    await store.create(key="/a", value=b"")
    await store.close()
    await (await sqlite.open_store(path=path)).close()


async def test_files_are_their_owners_alone(path: Path) -> None:
    store = await sqlite.open_store(path=path)
    await store.create(key="/registry/secrets/default/s", value=b"secret")
    await store.snapshot(path=path.with_name("snapshot"))
    assert {
        file.name: file.stat().st_mode & 0o077 for file in path.parent.iterdir() if file.stat().st_mode & 0o077
    } == {}
    await store.close()


async def test_something_else_than_a_store(path: Path) -> None:
    path.write_bytes(b"kind: Pod\n" * 1000)
    with pytest.raises(StoreCorrupt, match="damaged"):
        await sqlite.open_store(path=path)
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE log (x)")
    connection.close()
    with pytest.raises(StoreCorrupt, match="not a Sampan store"):
        await sqlite.open_store(path=path)


async def test_a_store_of_a_later_version(path: Path) -> None:
    await fill(path)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 2")
    connection.close()
    with pytest.raises(StoreCorrupt, match="has format 2"):
        await sqlite.open_store(path=path)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("DELETE FROM log WHERE revision = 20", "revision 20 is missing"),
        ("DELETE FROM log WHERE revision = 51", "ends at revision 50, but 51 has been acknowledged"),
        ("UPDATE log SET value = x'00' WHERE revision = 7", "checksum of revision 7"),
        ("UPDATE log SET key = '/p/x' WHERE revision = 7", "checksum of revision 7"),
        ("UPDATE log SET create_revision = 3 WHERE revision = 7", "checksum of revision 7"),
        ("UPDATE log SET deleted = 1 WHERE revision = 7", "checksum of revision 7"),
        ("UPDATE log SET expires_at = 1 WHERE revision = 7", "checksum of revision 7"),
        ("UPDATE meta SET compact_revision = 30", "compaction"),
        ("DELETE FROM meta", "compaction"),
        ("CREATE TABLE other (x)", "tables"),
    ],
)
async def test_wrong_rows_are_found(path: Path, damage: str, words: str) -> None:
    await fill(path)
    with sqlite3.connect(path) as connection:
        connection.execute(damage)
    connection.close()
    with pytest.raises(StoreCorrupt, match=words):
        await sqlite.open_store(path=path)


async def test_a_row_lost_below_the_compaction_is_found(path: Path) -> None:
    await fill(path)
    store = await sqlite.open_store(path=path)
    await store.compact(revision=40)
    await store.close()
    await (await sqlite.open_store(path=path)).close()
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM log WHERE revision = 20")
    connection.close()
    with pytest.raises(StoreCorrupt, match="39 rows should precede revision 40, not these 38"):
        await sqlite.open_store(path=path)


async def test_a_database_that_has_gone_is_not_made_anew(path: Path) -> None:
    await fill(path)
    path.unlink()
    with pytest.raises(StoreCorrupt, match="missing or empty, but revision 51"):
        await sqlite.open_store(path=path)
    path.touch()
    with pytest.raises(StoreCorrupt, match="missing or empty"):
        await sqlite.open_store(path=path)


async def test_a_refused_store_is_left_as_it_was(path: Path, tmp_path: Path) -> None:
    """Above all its write-ahead log, which an ordinary open and close would merge and remove."""
    store = await sqlite.open_store(path=path)
    for number in range(50):
        await store.create(key=f"/p/{number:03}", value=b"%d" % number * 500)
    torn = tmp_path / "torn" / path.name
    torn.parent.mkdir()
    for suffix in ("", "-wal", ".acknowledged"):
        shutil.copy(f"{path}{suffix}", f"{torn}{suffix}")
    await store.close()
    with open(f"{torn}-wal", "r+b") as log:
        log.truncate(60_000)

    def content() -> dict[str, str]:
        names = ("", "-wal", ".acknowledged")
        return {name: hashlib.sha256(Path(f"{torn}{name}").read_bytes()).hexdigest() for name in names}

    before = content()
    for _ in range(2):
        with pytest.raises(StoreCorrupt, match="51 has been acknowledged"):
            await sqlite.open_store(path=torn)
        assert content() == before


async def test_damage_that_comes_while_running_is_not_served(path: Path) -> None:
    await fill(path)
    store = await sqlite.open_store(path=path, recent_bytes=0)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE log SET value = x'00' WHERE revision = 7")
    connection.close()
    with pytest.raises(StoreCorrupt, match="checksum of revision 7"):
        await store.get(key="/p/005")
    with pytest.raises(StoreCorrupt):
        await store.range(prefix="/p/")
    assert (await store.get(key="/p/006")) is not None
    await store.close()
