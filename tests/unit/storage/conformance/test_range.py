"""range: prefixes, pages, past revisions."""

from __future__ import annotations

import pytest

from sampan.storage.contract import FutureRevision, KeyValue, Store


async def fill(store: Store, *keys: str) -> list[KeyValue]:
    return [await store.create(key=key, value=key.encode()) for key in keys]


async def test_keys_come_in_byte_order_and_only_those_with_the_prefix(store: Store) -> None:
    await fill(store, "/pods/b/1", "/pods/a/2", "/podsets/x", "/pods/a/1", "/nodes/n", "/pods/é", "/pods/z", "/pods/😀")
    found = [kv.key for kv in (await store.range(prefix="/pods/")).items]
    assert found == ["/pods/a/1", "/pods/a/2", "/pods/b/1", "/pods/z", "/pods/é", "/pods/😀"]
    assert found == sorted(found, key=str.encode)


async def test_a_prefix_nobody_has(store: Store) -> None:
    await fill(store, "/a", "/c")
    for prefix in ("/b", "/", "", "/d", "!"):
        result = await store.range(prefix=prefix)
        assert len(result.items) == (2 if "/a".startswith(prefix) else 0)
        assert not result.more
        assert result.remaining == 0


async def test_pages_of_one_revision(store: Store) -> None:
    await fill(store, *(f"/p/{number:02}" for number in range(10)))
    page = await store.range(prefix="/p/", limit=4)
    assert [kv.key for kv in page.items] == ["/p/00", "/p/01", "/p/02", "/p/03"]
    assert (page.more, page.remaining) == (True, 6)

    # What happens between two pages does not show.
    await store.delete(key="/p/05")
    await store.create(key="/p/055", value=b"")
    seen = [kv.key for kv in page.items]
    while page.more:
        page = await store.range(prefix="/p/", limit=4, start_after=page.items[-1].key, revision=page.revision)
        seen += [kv.key for kv in page.items]
    assert seen == [f"/p/{number:02}" for number in range(10)]
    assert page.remaining == 0


async def test_a_page_that_fits_exactly_is_the_last(store: Store) -> None:
    await fill(store, "/p/1", "/p/2")
    page = await store.range(prefix="/p/", limit=2)
    assert (page.more, page.remaining) == (False, 0)


async def test_start_after_a_key_that_is_gone(store: Store) -> None:
    await fill(store, "/p/1", "/p/2", "/p/3")
    assert [kv.key for kv in (await store.range(prefix="/p/", start_after="/p/15")).items] == ["/p/2", "/p/3"]
    assert (await store.range(prefix="/p/", start_after="/p/3")).items == []
    assert len((await store.range(prefix="/p/", start_after="/a")).items) == 3
    assert (await store.range(prefix="/p/", start_after="/z")).items == []


async def test_the_past_is_as_it_was(store: Store) -> None:
    first = await store.create(key="/p/1", value=b"a")
    second = await store.create(key="/p/2", value=b"b")
    changed = await store.update(key="/p/1", value=b"c", expected_revision=first.revision)
    gone = await store.delete(key="/p/2")
    back = await store.create(key="/p/2", value=b"d")

    async def at(revision: int) -> list[KeyValue]:
        result = await store.range(prefix="/p/", revision=revision)
        assert result.revision == revision
        return result.items

    assert await at(1) == []
    assert await at(first.revision) == [first]
    assert await at(second.revision) == [first, second]
    assert await at(changed.revision) == [changed, second]
    assert await at(gone.revision) == [changed]
    assert await at(back.revision) == [changed, back]


async def test_a_revision_that_is_yet_to_come(store: Store) -> None:
    await fill(store, "/a")
    with pytest.raises(FutureRevision) as refused:
        await store.range(prefix="/", revision=3)
    assert (refused.value.requested, refused.value.current_revision) == (3, 2)
