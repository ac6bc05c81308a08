"""create, update, delete: what they answer, what they refuse."""

from __future__ import annotations

import asyncio

import pytest

from sampan.storage.contract import KeyExists, KeyNotFound, RevisionConflict, Store


async def test_an_empty_store_is_at_revision_1(store: Store) -> None:
    assert await store.current_revision() == 1
    assert (await store.range(prefix="")).revision == 1


async def test_create_then_get(store: Store) -> None:
    made = await store.create(key="/a", value=b"one")
    assert (made.key, made.value, made.revision, made.create_revision) == ("/a", b"one", 2, 2)
    assert await store.get(key="/a") == made
    assert await store.get(key="/b") is None


async def test_every_write_raises_the_revision_by_one(store: Store) -> None:
    made = await store.create(key="/a", value=b"1")
    changed = await store.update(key="/a", value=b"1", expected_revision=made.revision)
    other = await store.create(key="/b", value=b"2")
    gone = await store.delete(key="/a")
    assert [made.revision, changed.revision, other.revision, gone.revision] == [2, 3, 4, 5]
    assert await store.current_revision() == 5


async def test_refused_writes_use_up_no_revision(store: Store) -> None:
    await store.create(key="/a", value=b"1")
    with pytest.raises(KeyExists):
        await store.create(key="/a", value=b"2")
    with pytest.raises(KeyNotFound):
        await store.delete(key="/b")
    assert await store.current_revision() == 2


async def test_create_of_an_existing_key_carries_it(store: Store) -> None:
    made = await store.create(key="/a", value=b"1")
    with pytest.raises(KeyExists) as refused:
        await store.create(key="/a", value=b"2")
    assert refused.value.current == made


async def test_update_keeps_the_create_revision(store: Store) -> None:
    made = await store.create(key="/a", value=b"1")
    changed = await store.update(key="/a", value=b"2", expected_revision=made.revision)
    assert (changed.value, changed.create_revision) == (b"2", made.create_revision)
    assert await store.get(key="/a") == changed


async def test_update_and_delete_of_a_missing_key(store: Store) -> None:
    with pytest.raises(KeyNotFound) as refused:
        await store.update(key="/a", value=b"", expected_revision=1)
    assert refused.value.key == "/a"
    with pytest.raises(KeyNotFound):
        await store.delete(key="/a", expected_revision=1)


async def test_a_conflict_carries_the_current_object(store: Store) -> None:
    made = await store.create(key="/a", value=b"1")
    now = await store.update(key="/a", value=b"2", expected_revision=made.revision)
    with pytest.raises(RevisionConflict) as refused:
        await store.update(key="/a", value=b"3", expected_revision=made.revision)
    assert refused.value.current == now
    with pytest.raises(RevisionConflict) as refused:
        await store.delete(key="/a", expected_revision=made.revision)
    assert refused.value.current == now
    assert await store.get(key="/a") == now


async def test_delete_returns_what_was_there(store: Store) -> None:
    made = await store.create(key="/a", value=b"1")
    gone = await store.delete(key="/a", expected_revision=made.revision)
    assert gone.previous == made
    assert gone.revision == made.revision + 1
    assert await store.get(key="/a") is None


async def test_a_key_that_comes_back_is_a_new_one(store: Store) -> None:
    first = await store.create(key="/a", value=b"1")
    await store.delete(key="/a")
    second = await store.create(key="/a", value=b"2")
    assert second.create_revision == second.revision > first.revision
    with pytest.raises(RevisionConflict):
        await store.update(key="/a", value=b"3", expected_revision=first.revision)


async def test_of_many_at_once_one_wins(store: Store) -> None:
    answers = await asyncio.gather(
        *(store.create(key="/a", value=b"%d" % number) for number in range(20)), return_exceptions=True
    )
    winners = [answer for answer in answers if not isinstance(answer, BaseException)]
    assert len(winners) == 1
    assert all(answer.current == winners[0] for answer in answers if isinstance(answer, KeyExists))

    answers = await asyncio.gather(
        *(store.update(key="/a", value=b"%d" % n, expected_revision=winners[0].revision) for n in range(20)),
        return_exceptions=True,
    )
    assert sum(not isinstance(answer, BaseException) for answer in answers) == 1
    assert sum(isinstance(answer, RevisionConflict) for answer in answers) == 19


async def test_writes_sent_together_are_judged_in_order(store: Store) -> None:
    made, gone, again = await asyncio.gather(
        store.create(key="/a", value=b"1"), store.delete(key="/a"), store.create(key="/a", value=b"2")
    )
    assert gone.previous == made
    assert again.create_revision == again.revision == gone.revision + 1


@pytest.mark.parametrize("size", [0, 1, 5_000, 1_500_000])
async def test_values_are_opaque_bytes_of_any_size(store: Store, size: int) -> None:
    value = bytes(range(256)) * (size // 256 + 1)
    made = await store.create(key="/big", value=value[:size])
    assert await store.get(key="/big") == made
    assert made.value == value[:size]


async def test_keys_may_hold_any_text(store: Store) -> None:
    made = await store.create(key="/registry/쿠버/%_*'\"", value=b"1")
    assert (await store.range(prefix="/registry/쿠버/%")).items == [made]


async def test_a_caller_that_gives_up_harms_nobody(store: Store) -> None:
    task = asyncio.ensure_future(store.create(key="/a", value=b"1"))
    await asyncio.sleep(0)
    task.cancel()
    other = await store.create(key="/b", value=b"2")
    assert await store.get(key="/b") == other


async def test_more_than_fits_a_batch(store: Store) -> None:
    made = await asyncio.gather(*(store.create(key=f"/n/{number:05}", value=b"x") for number in range(1200)))
    assert sorted(kv.revision for kv in made) == list(range(2, 1202))
    assert len((await store.range(prefix="/n/")).items) == 1200
