"""`sampan datastore copy`: there and back, nothing lost, revisions grow."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sampan.cluster.commands import run
from sampan.cluster.datastore_commands import CopyFailed, copy_datastore
from sampan.cluster.datastores import BadDatastore, open_datastore
from sampan.storage.contract import Compacted, Store
from tests.unit.storage.etcd.member import Member

COUNT = 1203


async def content(store: Store) -> dict[str, bytes]:
    return {kv.key: kv.value for kv in (await store.range(prefix="/")).items}


async def test_to_etcd_and_back(member: Member, tmp_path: Path) -> None:
    first, second = f"sqlite:{tmp_path}/one.db", f"sqlite:{tmp_path}/two.db"
    store = await open_datastore(first, Path())
    for number in range(COUNT):
        await store.create(key=f"/registry/pods/default/{number}", value=b"%d" % number)
    await store.create(key="/registry/events/default/e", value=b"e", ttl_seconds=900)
    await store.delete(key="/registry/pods/default/7")
    there, old = await content(store), await store.current_revision()
    await store.close()

    assert (await copy_datastore(first, member.address))[0] == len(there) == COUNT
    store = await open_datastore(member.address, Path())
    assert await content(store) == there
    moved = await store.current_revision()
    assert min(kv.revision for kv in (await store.range(prefix="/")).items) > old
    assert 800 < (await store.life_spans())["/registry/events/default/e"] <= 900
    for gone in (old, moved):  # who was there before lists again
        with pytest.raises(Compacted):
            async with store.watch(prefix="/", from_revision=gone):
                pass
    await store.create(key="/registry/pods/default/new", value=b"new")
    there, old = await content(store), await store.current_revision()
    await store.close()

    with pytest.raises(CopyFailed, match="not empty"):
        await copy_datastore(first, member.address)
    await copy_datastore(member.address, second)
    store = await open_datastore(second, Path())
    assert await content(store) == there
    assert await store.current_revision() > old
    assert 800 < (await store.life_spans())["/registry/events/default/e"] <= 900
    await store.close()
    with pytest.raises(CopyFailed, match="exists"):
        await copy_datastore(member.address, second)


@pytest.mark.parametrize("pair", [("memory:", "sqlite:/x"), ("", "sqlite:/x"), ("mysql://x", "sqlite:/x")])
async def test_what_cannot_be_copied(pair: tuple[str, str]) -> None:
    with pytest.raises(BadDatastore):
        await copy_datastore(*pair)


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = f"sqlite:{tmp_path}/one.db"
    assert run(["datastore", "copy", source, f"sqlite:{tmp_path}/two.db"]) == 1
    assert "there is no" in capsys.readouterr().err

    async def make() -> None:
        store = await open_datastore(source, Path())
        await store.create(key="/a", value=b"1")
        await store.close()

    asyncio.run(make())
    assert run(["datastore", "copy", source, f"sqlite:{tmp_path}/two.db"]) == 0
    assert "1 objects copied" in capsys.readouterr().out
