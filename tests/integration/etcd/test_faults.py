"""etcd killed, endpoints that are dead, TLS, revisions that came from elsewhere."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from sampan.cluster.config import ClusterConfig
from sampan.cluster.pki import Pki
from sampan.storage import etcd, sqlite
from sampan.storage.contract import (
    Compacted,
    KeyExists,
    KeyNotFound,
    RevisionConflict,
    StoreError,
    StoreUnavailable,
    WatchEvent,
)
from tests.unit.storage.etcd.member import Member

pytestmark = pytest.mark.skipif(shutil.which("etcd") is None, reason="etcd is not installed")


async def test_killed_under_load_nothing_acknowledged_is_lost_and_nothing_is_missed(member: Member) -> None:
    store = await etcd.open_store(member.address)
    heard: list[WatchEvent] = []
    store.subscribe(prefix="/", callback=heard.extend)
    acknowledged: dict[str, bytes] = {}
    unknown: set[str] = set()
    done = asyncio.Event()

    async def write(worker: int) -> None:
        number = 0
        while not done.is_set():
            number += 1
            key, value = f"/w/{worker}/{number}", b"%d" % number
            try:
                await store.create(key=key, value=value)
            except StoreUnavailable:
                unknown.add(key)
            else:
                acknowledged[key] = value

    writers = [asyncio.ensure_future(write(worker)) for worker in range(4)]
    for _ in range(3):
        await asyncio.sleep(0.3)
        await asyncio.to_thread(member.kill)
        await asyncio.to_thread(member.restart)
        before = len(acknowledged)
        while len(acknowledged) < before + 20:
            await asyncio.sleep(0.05)
    done.set()
    await asyncio.gather(*writers)

    there = {kv.key: kv for kv in (await store.range(prefix="/w/")).items}
    assert acknowledged.items() <= {key: kv.value for key, kv in there.items()}.items()
    assert there.keys() <= acknowledged.keys() | unknown
    assert [event.revision for event in heard] == list(range(2, await store.current_revision() + 1))
    assert {event.key for event in heard} == there.keys()
    await store.close()


async def test_a_dead_endpoint_is_passed_over(member: Member) -> None:
    dead = "127.0.0.1:1"
    store = await etcd.open_store(f"etcd://{dead},127.0.0.1:{member.port},{dead}")
    made = await store.create(key="/a", value=b"1")
    assert await store.get(key="/a") == made
    await store.close()


async def test_nobody_answers() -> None:
    with pytest.raises(StoreUnavailable):
        await etcd.open_store("etcd://127.0.0.1:1")


async def test_while_etcd_is_away_reads_and_writes_fail_and_then_go_on(member: Member) -> None:
    store = await etcd.open_store(member.address)
    made = await store.create(key="/a", value=b"1")
    member.kill()
    answers = await asyncio.gather(
        store.get(key="/a"),
        store.current_revision(),
        store.update(key="/a", value=b"2", expected_revision=made.revision),
        return_exceptions=True,
    )
    assert {type(answer) for answer in answers} == {StoreUnavailable}
    await asyncio.to_thread(member.restart)
    changed = await store.update(key="/a", value=b"2", expected_revision=made.revision)
    assert changed.revision == made.revision + 1
    await store.close()


async def test_two_stores_on_one_etcd_hear_of_each_other(member: Member) -> None:
    one, other = [await etcd.open_store(member.address) for _ in range(2)]
    async with other.watch(prefix="/") as watch:
        made = await one.create(key="/a", value=b"1")
        events = await asyncio.wait_for(anext(watch), 10)
        assert [event.kv for event in events] == [made]
    with pytest.raises(KeyExists):
        await other.create(key="/a", value=b"2")
    await other.delete(key="/a")
    with pytest.raises(KeyNotFound):
        await one.update(key="/a", value=b"3", expected_revision=made.revision)
    await one.close()
    await other.close()


async def test_a_refused_write_leaves_no_lease(member: Member) -> None:
    store = await etcd.open_store(member.address)
    made = await store.create(key="/a", value=b"1", ttl_seconds=100)
    with pytest.raises(KeyExists):
        await store.create(key="/a", value=b"1", ttl_seconds=100)
    with pytest.raises(RevisionConflict):
        await store.update(key="/a", value=b"1", expected_revision=made.revision - 1, ttl_seconds=100)
    command = ["etcdctl", f"--endpoints=127.0.0.1:{member.port}", "lease", "list"]
    process = await asyncio.create_subprocess_exec(*command, stdout=-1, env={"ETCDCTL_API": "3", "PATH": "/usr/bin"})
    listed = (await process.communicate())[0].decode()
    assert "found 1 leases" in listed
    await store.close()


async def test_revisions_go_on_where_another_store_was(member: Member) -> None:
    store = await etcd.open_store(member.address)
    await store.raise_revision(above=1_000_000_000_007)
    made = await store.create(key="/a", value=b"1")
    changed = await store.update(key="/a", value=b"2", expected_revision=made.revision)
    assert made.revision > 1_000_000_000_007
    with pytest.raises(Compacted):
        await store.range(prefix="/", revision=17)
    with pytest.raises(Compacted):
        async with store.watch(prefix="/", from_revision=17):
            pass
    await store.close()

    again = await etcd.open_store(member.address)  # and it is remembered
    assert await again.get(key="/a") == changed
    async with again.watch(prefix="/", from_revision=made.revision) as watch:
        assert [event.kv for event in await anext(watch)] == [made, changed]
    with pytest.raises(StoreError):
        await again.raise_revision(above=2_000_000_000_000)
    await again.close()


async def test_a_snapshot_opens_as_sqlite(member: Member, tmp_path: Path) -> None:
    store = await etcd.open_store(member.address)
    await store.create(key="/a", value=b"1")
    second = await store.create(key="/b", value=b"2", ttl_seconds=1000)
    await store.delete(key="/a")
    revision = await store.snapshot(path=tmp_path / "snapshot.db")
    assert revision == await store.current_revision()
    sqlite.restore(snapshot=tmp_path / "snapshot.db", path=tmp_path / "state.db")
    embedded = await sqlite.open_store(path=tmp_path / "state.db")
    assert (await embedded.range(prefix="/")).items == [second]
    assert await embedded.current_revision() > revision
    await embedded.close()
    await store.close()


async def test_tls_with_client_certificates(tmp_path: Path) -> None:
    pki = Pki(tmp_path / "pki")
    pki.ensure(ClusterConfig(name="t"), {"etcd": "127.0.0.1"})
    pair, client = pki.pair("kubelet-etcd"), pki.pair("admin")
    tls = [
        f"--cert-file={pair.certificate}",
        f"--key-file={pair.key}",
        f"--trusted-ca-file={pki.ca.certificate}",
        "--client-cert-auth",
    ]
    member = await asyncio.to_thread(Member.start, tmp_path, tls=tls)
    try:
        base = f"{member.address}?ca={pki.ca.certificate}"
        with pytest.raises(StoreUnavailable):
            await etcd.open_store(base)
        store = await etcd.open_store(f"{base}&cert={client.certificate}&key={client.key}")
        async with store.watch(prefix="/") as watch:
            made = await store.create(key="/a", value=b"1")
            assert (await anext(watch))[0].kv == made
        await store.close()
    finally:
        member.end()
