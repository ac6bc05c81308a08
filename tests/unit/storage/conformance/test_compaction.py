"""compact: what is gone, what stays."""

from __future__ import annotations

import pytest

from sampan.storage.contract import Compacted, FutureRevision, Store


async def test_the_present_stays_and_the_past_goes(store: Store) -> None:
    first = await store.create(key="/a", value=b"1")
    second = await store.update(key="/a", value=b"2", expected_revision=first.revision)
    await store.create(key="/gone", value=b"x")
    gone = await store.delete(key="/gone")
    last = await store.create(key="/b", value=b"3")

    await store.compact(revision=gone.revision)
    assert await store.get(key="/a") == second
    assert (await store.range(prefix="/")).items == [second, last]
    assert (await store.range(prefix="/", revision=gone.revision)).items == [second]
    with pytest.raises(Compacted) as refused:
        await store.range(prefix="/", revision=gone.revision - 1)
    assert (refused.value.requested, refused.value.compact_revision) == (gone.revision - 1, gone.revision)


async def test_the_revision_does_not_go_back(store: Store) -> None:
    await store.create(key="/a", value=b"1")
    gone = await store.delete(key="/a")
    await store.compact(revision=gone.revision)
    assert await store.current_revision() == gone.revision
    back = await store.create(key="/a", value=b"2")
    assert back.revision == back.create_revision == gone.revision + 1
    assert [kv.key for kv in (await store.range(prefix="/")).items] == ["/a"]


async def test_compacting_backwards_does_nothing(store: Store) -> None:
    for number in range(5):
        await store.create(key=f"/{number}", value=b"")
    await store.compact(revision=4)
    await store.compact(revision=4)
    await store.compact(revision=2)
    await store.range(prefix="/", revision=4)
    with pytest.raises(Compacted):
        await store.range(prefix="/", revision=3)


async def test_the_future_cannot_be_compacted(store: Store) -> None:
    with pytest.raises(FutureRevision):
        await store.compact(revision=2)


async def test_again_and_again_under_changing_keys(store: Store) -> None:
    """Deleted, made again, changed: each compaction in another state, the keys right after each."""
    expected: dict[str, bytes] = {}
    for number in range(200):
        key = f"/k/{number * 7 % 10}"
        value = b"%d" % number
        current = await store.get(key=key)
        if current is None:
            await store.create(key=key, value=value)
            expected[key] = value
        elif number % 3:
            await store.update(key=key, value=value, expected_revision=current.revision)
            expected[key] = value
        else:
            await store.delete(key=key)
            del expected[key]
        if number % 17 == 0:
            await store.compact(revision=await store.current_revision() - number % 5)
        found = {kv.key: kv.value for kv in (await store.range(prefix="/k/")).items}
        assert found == expected


async def test_more_than_fits_one_step(store: Store) -> None:
    kv = await store.create(key="/a", value=b"")
    for number in range(1300):
        kv = await store.update(key="/a", value=b"%d" % number, expected_revision=kv.revision)
    await store.compact(revision=kv.revision)
    assert (await store.range(prefix="/")).items == [kv]
    with pytest.raises(Compacted):
        await store.range(prefix="/", revision=kv.revision - 1)
