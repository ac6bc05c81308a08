"""watch: every matching event exactly once, in order, or an error."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from sampan.storage.contract import Compacted, EventType, Store, StoreClosed, Watch, WatcherTooSlow, WatchEvent


async def take(watch: Watch, count: int) -> list[WatchEvent]:
    events: list[WatchEvent] = []
    while len(events) < count:
        events += await asyncio.wait_for(anext(watch), 10)
    assert len(events) == count
    return events


def revisions(events: Sequence[WatchEvent]) -> list[int]:
    return [event.revision for event in events]


async def test_events_of_a_life(store: Store) -> None:
    async with store.watch(prefix="/p/") as watch:
        made = await store.create(key="/p/1", value=b"a")
        changed = await store.update(key="/p/1", value=b"b", expected_revision=made.revision)
        gone = await store.delete(key="/p/1")
        created, updated, deleted = await take(watch, 3)

    assert (created.type, created.kv, created.previous) == (EventType.CREATED, made, None)
    assert (updated.type, updated.kv, updated.previous) == (EventType.UPDATED, changed, made)
    assert (deleted.type, deleted.previous, deleted.revision) == (EventType.DELETED, changed, gone.revision)
    assert (deleted.kv.value, deleted.kv.create_revision) == (b"b", made.revision)
    assert deleted.key == "/p/1"


async def test_events_from_the_past_then_live_ones(store: Store) -> None:
    made = await store.create(key="/p/1", value=b"a")
    await store.create(key="/other", value=b"")
    changed = await store.update(key="/p/1", value=b"b", expected_revision=made.revision)
    await store.delete(key="/p/1")
    async with store.watch(prefix="/p/", from_revision=changed.revision) as watch:
        again = await store.create(key="/p/1", value=b"c")
        events = await take(watch, 3)
    assert [event.type for event in events] == [EventType.UPDATED, EventType.DELETED, EventType.CREATED]
    assert events[0].previous == made
    assert events[1].previous == changed
    assert (events[2].kv, events[2].previous) == (again, None)


async def test_range_then_watch_leaves_no_gap_and_no_double(store: Store) -> None:
    await store.create(key="/p/1", value=b"a")
    listed = await store.range(prefix="/p/")
    second = await store.create(key="/p/2", value=b"b")
    async with store.watch(prefix="/p/", from_revision=listed.revision + 1) as watch:
        third = await store.create(key="/p/3", value=b"c")
        assert revisions(await take(watch, 2)) == [second.revision, third.revision]


async def test_a_long_past_while_writers_write(store: Store) -> None:
    for number in range(500):
        await store.create(key=f"/p/{number}", value=b"x")

    async def write() -> None:
        for number in range(500, 900):
            await store.create(key=f"/p/{number}", value=b"x")

    async with store.watch(prefix="/p/", from_revision=1) as watch:
        writing = asyncio.ensure_future(write())
        events = await take(watch, 900)
        await writing
    assert revisions(events) == list(range(2, 902))


async def test_a_revision_that_is_yet_to_come_is_waited_for(store: Store) -> None:
    async with store.watch(prefix="/p/", from_revision=4) as watch:
        for number in range(3):
            await store.create(key=f"/p/{number}", value=b"x")
        assert revisions(await take(watch, 1)) == [4]


async def test_zero_means_from_now_on(store: Store) -> None:
    await store.create(key="/p/1", value=b"a")
    async with store.watch(prefix="/p/") as watch:
        second = await store.create(key="/p/2", value=b"b")
        assert revisions(await take(watch, 1)) == [second.revision]


async def test_prefixes_do_not_mix(store: Store) -> None:
    prefixes = ["", "/", "/pods/", "/pods/a/", "/pods/a/1", "/podsets/", "/nodes/"]
    keys = ["/pods/a/1", "/pods/b/1", "/podsets/a/1", "/nodes/n", "/pods/a/12"]
    watches = {prefix: await store.watch(prefix=prefix).__aenter__() for prefix in prefixes}
    for key in keys:
        await store.create(key=key, value=b"")
    for prefix, watch in watches.items():
        expected = [key for key in keys if key.startswith(prefix)]
        assert [event.key for event in await take(watch, len(expected))] == expected
        await watch.__aexit__(None, None, None)


async def test_many_watchers_all_see_the_same(store: Store) -> None:
    watches = [await store.watch(prefix="/p/").__aenter__() for _ in range(50)]
    await asyncio.gather(*(store.create(key=f"/p/{number}", value=b"") for number in range(40)))
    for watch in watches:
        assert revisions(await take(watch, 40)) == list(range(2, 42))
        await watch.__aexit__(None, None, None)


async def test_an_event_is_there_before_its_write_returns(store: Store) -> None:
    async with store.watch(prefix="/p/") as watch:
        made = await store.create(key="/p/1", value=b"a")
        waiting = asyncio.ensure_future(anext(watch))
        await asyncio.sleep(0)
        assert waiting.done(), "the watcher had to wait for an event of a write that had returned"
        assert (await waiting)[0].kv == made


async def test_a_slow_watcher_is_cut_off_and_told_so(store: Store) -> None:
    async with store.watch(prefix="/p/", max_queued=10) as slow, store.watch(prefix="/p/", max_queued=100) as quick:
        for number in range(20):
            await store.create(key=f"/p/{number}", value=b"")
        with pytest.raises(WatcherTooSlow):
            await take(slow, 1)
        with pytest.raises(WatcherTooSlow):  # and stays cut off
            await take(slow, 1)
        assert len(await take(quick, 20)) == 20


async def test_a_watcher_that_keeps_up_is_not_cut_off(store: Store) -> None:
    async with store.watch(prefix="/p/", max_queued=10) as watch:
        for number in range(50):
            await store.create(key=f"/p/{number}", value=b"")
            await take(watch, 1)


async def test_leaving_the_block_ends_the_iteration(store: Store) -> None:
    watch = store.watch(prefix="/p/")

    async def read() -> int:
        return len([events async for events in watch])

    await watch.__aenter__()
    reading = asyncio.ensure_future(read())
    await asyncio.sleep(0)
    await watch.__aexit__(None, None, None)
    assert await asyncio.wait_for(reading, 10) == 0
    await store.create(key="/p/1", value=b"")


async def test_closing_the_store_ends_all_watches(store: Store) -> None:
    async with store.watch(prefix="/p/") as watch:
        waiting = asyncio.ensure_future(anext(watch))
        await asyncio.sleep(0)
        await store.close()
        with pytest.raises(StoreClosed):
            await asyncio.wait_for(waiting, 10)
    with pytest.raises(StoreClosed):
        await store.get(key="/p/1")
    with pytest.raises(StoreClosed):
        await store.create(key="/p/1", value=b"")


async def test_progress_says_what_has_been_seen(store: Store) -> None:
    await store.create(key="/p/1", value=b"")
    async with store.watch(prefix="/p/", from_revision=2) as watch:
        assert await watch.progress() == 1  # revision 2 is still to be read
        await take(watch, 1)
        other = await store.create(key="/other", value=b"")
        assert await watch.progress() == other.revision  # nothing of ours: all of it has been seen
        mine = await store.create(key="/p/2", value=b"")
        await store.create(key="/other/2", value=b"")
        assert await watch.progress() == mine.revision - 1
        await take(watch, 1)
        assert await watch.progress() == await store.current_revision()


async def test_a_watch_from_compacted_history_is_refused(store: Store) -> None:
    for number in range(4):
        await store.create(key=f"/p/{number}", value=b"")
    await store.compact(revision=3)
    for revision in (1, 2, 3):
        with pytest.raises(Compacted) as refused:
            async with store.watch(prefix="/p/", from_revision=revision):
                pass
        assert refused.value.compact_revision == 3
    async with store.watch(prefix="/p/", from_revision=4) as watch:
        assert revisions(await take(watch, 2)) == [4, 5]


async def test_history_that_goes_away_under_a_watch_is_an_error_not_a_gap(store: Store) -> None:
    for number in range(4):
        await store.create(key=f"/p/{number}", value=b"")
    async with store.watch(prefix="/p/", from_revision=2) as watch:
        await store.compact(revision=4)
        with pytest.raises(Compacted):
            await take(watch, 4)
