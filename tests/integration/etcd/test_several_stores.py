"""Several servers' stores on one etcd: nobody is taken for fresh who is behind, nobody decides on what has moved."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator

import pytest

from sampan.storage import etcd
from sampan.storage.contract import GuardMoved, RevisionConflict, StoreUnavailable
from sampan.storage.etcd import EtcdStore
from tests.unit.storage.etcd.member import Member

pytestmark = pytest.mark.skipif(shutil.which("etcd") is None, reason="etcd is not installed")


@pytest.fixture
async def stores(member: Member) -> AsyncIterator[tuple[EtcdStore, EtcdStore]]:
    one, other = [await etcd.open_store(member.address) for _ in range(2)]
    yield one, other
    await one.close()
    await other.close()


def follow(store: EtcdStore) -> dict[str, bytes]:
    """A cache, as the API server has it."""
    cache: dict[str, bytes] = {}
    store.subscribe(prefix="/", callback=lambda events: cache.update({e.key: e.kv.value for e in events}))
    return cache


async def test_behind_a_barrier_a_cache_shows_what_another_has_written(stores: tuple[EtcdStore, EtcdStore]) -> None:
    one, other = stores
    cache = follow(other)
    for number in range(100):
        made = await one.create(key=f"/{number}", value=b"x")
        assert await other.barrier() >= made.revision
        assert f"/{number}" in cache


async def test_a_conflict_is_told_when_it_has_been_heard(stores: tuple[EtcdStore, EtcdStore]) -> None:
    one, other = stores
    cache = follow(other)
    made = await one.create(key="/a", value=b"0")
    for number in range(50):
        changed = await one.update(key="/a", value=b"%d" % number, expected_revision=made.revision)
        with pytest.raises(RevisionConflict):
            await other.update(key="/a", value=b"mine", expected_revision=made.revision)
        assert cache["/a"] == b"%d" % number
        made = changed


async def test_two_who_decide_under_one_guard_never_decide_on_the_same(stores: tuple[EtcdStore, EtcdStore]) -> None:
    """Each takes the smallest number that its cache shows to be free."""
    moved = 0

    async def take(store: EtcdStore, cache: dict[str, bytes], who: bytes) -> None:
        nonlocal moved
        for number in range(30):
            while True:
                taken = {int(v) for k, v in cache.items() if k.startswith("/taken/")}
                free = next(n for n in range(1000) if n not in taken)
                try:
                    await store.create(key=f"/taken/{who.decode()}{number}", value=b"%d" % free, guards=["numbers"])
                except GuardMoved:
                    moved += 1
                else:
                    break

    await asyncio.gather(*(take(store, follow(store), who) for store, who in zip(stores, (b"a", b"b"), strict=True)))
    given = [int(kv.value) for kv in (await stores[0].range(prefix="/taken/")).items]
    assert sorted(given) == list(range(60))
    assert moved


async def test_cut_off_from_etcd_no_barrier_is_passed(member: Member, stores: tuple[EtcdStore, EtcdStore]) -> None:
    os.kill(member.process.pid, signal.SIGSTOP)
    try:
        with pytest.raises(StoreUnavailable):
            await stores[0].barrier()
    finally:
        os.kill(member.process.pid, signal.SIGCONT)
    await stores[0].barrier()
