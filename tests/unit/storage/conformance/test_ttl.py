"""Keys with a life span."""

from __future__ import annotations

from sampan.storage.contract import EventType, Store

from .conftest import World
from .test_watch import take


async def test_an_expired_key_is_deleted_like_any_other(world: World) -> None:
    store = world.store
    made = await store.create(key="/e/1", value=b"x", ttl_seconds=60)
    kept = await store.create(key="/e/2", value=b"y")
    async with store.watch(prefix="/e/") as watch:
        await world.advance(59)
        assert await store.get(key="/e/1") == made
        await world.advance(2)
        (event,) = await take(watch, 1)
    assert (event.type, event.previous) == (EventType.DELETED, made)
    assert event.revision == await store.current_revision() == kept.revision + 1
    assert (await store.range(prefix="/e/")).items == [kept]


async def test_an_update_starts_the_span_anew_or_takes_it_away(world: World) -> None:
    store = world.store
    renewed = await store.create(key="/e/renewed", value=b"", ttl_seconds=60)
    forever = await store.create(key="/e/forever", value=b"", ttl_seconds=60)
    await world.advance(40)
    await store.update(key="/e/renewed", value=b"", expected_revision=renewed.revision, ttl_seconds=60)
    await store.update(key="/e/forever", value=b"", expected_revision=forever.revision)
    await world.advance(40)
    assert await keys(store) == ["/e/forever", "/e/renewed"]
    await world.advance(40)
    assert await keys(store) == ["/e/forever"]


async def test_a_key_made_again_does_not_inherit_the_span(world: World) -> None:
    store = world.store
    await store.create(key="/e/1", value=b"", ttl_seconds=60)
    await store.delete(key="/e/1")
    await store.create(key="/e/1", value=b"")
    await world.advance(120)
    assert await keys(store) == ["/e/1"]


async def test_what_is_left_is_told(world: World) -> None:
    await world.store.create(key="/e/1", value=b"", ttl_seconds=600)
    await world.store.create(key="/e/2", value=b"")
    left = await world.store.life_spans()
    assert left.keys() == {"/e/1"}
    assert 0 < left["/e/1"] <= 600


async def test_many_expire_together(world: World) -> None:
    store = world.store
    for number in range(50):
        await store.create(key=f"/e/{number}", value=b"", ttl_seconds=10 + number % 2 * 100)
    await world.advance(20)
    assert len(await keys(store)) == 25


async def keys(store: Store) -> list[str]:
    return [kv.key for kv in (await store.range(prefix="/e/")).items]
