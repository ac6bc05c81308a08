"""subscribe: the callback has been called before the write returns."""

from __future__ import annotations

from collections.abc import Sequence

from sampan.storage.contract import Store, StoreClosed, StoreError, WatchEvent


async def test_a_cache_shows_every_write_as_soon_as_it_returns(store: Store) -> None:
    cache: dict[str, bytes] = {}

    def keep(events: Sequence[WatchEvent]) -> None:
        cache.update((event.key, event.kv.value) for event in events)

    subscription = store.subscribe(prefix="/p/", callback=keep)
    made = await store.create(key="/p/1", value=b"a")
    assert cache == {"/p/1": b"a"}
    assert subscription.revision == made.revision
    await store.create(key="/other", value=b"b")
    assert cache == {"/p/1": b"a"}
    assert subscription.revision == made.revision + 1
    await store.update(key="/p/1", value=b"c", expected_revision=made.revision)
    assert cache == {"/p/1": b"c"}


async def test_no_calls_after_close(store: Store) -> None:
    calls: list[int] = []
    subscription = store.subscribe(prefix="", callback=lambda events: calls.append(len(events)))
    await store.create(key="/1", value=b"")
    subscription.close()
    subscription.close()
    await store.create(key="/2", value=b"")
    assert calls == [1]


async def test_one_that_fails_is_cut_off_and_told_and_harms_nobody(store: Store) -> None:
    lost: list[StoreError] = []
    seen: list[int] = []

    def fail(_: Sequence[WatchEvent]) -> None:
        raise ValueError("broken")

    store.subscribe(prefix="", callback=fail, on_lost=lost.append)
    store.subscribe(prefix="", callback=lambda events: seen.extend(event.revision for event in events))
    await store.create(key="/1", value=b"")
    await store.create(key="/2", value=b"")
    assert len(lost) == 1
    assert "broken" in str(lost[0])
    assert seen == [2, 3]


async def test_closing_the_store_is_told(store: Store) -> None:
    lost: list[StoreError] = []
    store.subscribe(prefix="", callback=lambda _: None, on_lost=lost.append)
    await store.close()
    assert [type(error) for error in lost] == [StoreClosed]
