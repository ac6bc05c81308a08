"""What a cache that is fed by a subscription shows, and when: barriers, guards, refused writes."""

from __future__ import annotations

import asyncio

import pytest

from sampan.storage.contract import KeyExists, Store, WatchEvent


async def test_a_barrier_reaches_every_write_before_it(store: Store) -> None:
    heard: list[WatchEvent] = []
    store.subscribe(prefix="/", callback=heard.extend)
    made = await store.create(key="/a", value=b"1")
    assert await store.barrier() == made.revision
    reached = await asyncio.gather(*(store.barrier() for _ in range(20)))
    assert set(reached) == {made.revision}
    assert [event.kv for event in heard] == [made]


async def test_what_a_write_was_refused_for_has_been_heard(store: Store) -> None:
    heard: list[WatchEvent] = []
    store.subscribe(prefix="/", callback=heard.extend)
    made = await store.create(key="/a", value=b"1")
    with pytest.raises(KeyExists) as refused:
        await store.create(key="/a", value=b"2")
    assert refused.value.current == made == heard[-1].kv


async def test_guarded_writes_one_after_the_other(store: Store) -> None:
    made = await store.create(key="/a", value=b"1", guards=["g"])
    changed = await store.update(key="/a", value=b"2", expected_revision=made.revision, guards=["g"])
    assert (await store.create(key="/b", value=b"3", guards=["g"])).revision > changed.revision
    assert [kv.key for kv in (await store.range(prefix="/")).items] == ["/a", "/b"]
