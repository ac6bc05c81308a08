"""The watch cache against a plain model: every earlier state can be told and every watch resumed, or it says no."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sampan.apiserver import cache as cache_module
from sampan.apiserver.cache import Caches, ResourceCache, TooOld
from sampan.storage.contract import EventType, KeyValue, WatchEvent

NAMES = st.sampled_from(["a/x", "a/y", "a-b/x", "b/x", "b/z"])
WRITES = st.lists(st.tuples(NAMES, st.sampled_from(["put", "put", "delete"])), max_size=40)


class World:
    """A cache fed by hand, and what it must show."""

    def __init__(self) -> None:
        self.caches = Caches(store=None)  # type: ignore[arg-type] # nothing here reads or writes the store
        self.cache: ResourceCache = self.caches.cache("pods", namespaced=True)
        self.caches._pending = None
        self.caches.revision = self.cache.oldest = 1
        self.now: dict[str, KeyValue] = {}
        self.states: dict[int, dict[str, int]] = {1: {}}

    def write(self, key: str, what: str) -> None:
        old = self.now.get(key)
        if what == "delete" and old is None:
            return
        revision = self.caches.revision + 1
        namespace, name = key.split("/")
        value = json.dumps({"kind": "Pod", "metadata": {"name": name, "namespace": namespace}}, separators=(",", ":"))
        kv = KeyValue(key=f"/registry/pods/{key}", value=value.encode(), revision=revision, create_revision=1)
        if what == "delete":
            kind = EventType.DELETED
            del self.now[key]
        else:
            kind = EventType.UPDATED if old else EventType.CREATED
            self.now[key] = kv
        self.caches._apply([WatchEvent(type=kind, kv=kv, previous=old)])
        self.states[revision] = {k: v.revision for k, v in self.now.items()}


def _shown(world: World, revision: int, namespace: str = "") -> dict[str, int]:
    return {o.key: o.revision for o in world.cache.list_at(revision, namespace)}


@given(WRITES)
def test_every_earlier_state_can_be_listed(writes: list[tuple[str, str]]) -> None:
    world = World()
    for key, what in writes:
        world.write(key, what)
    for revision, state in world.states.items():
        assert _shown(world, revision) == state
        assert list(_shown(world, revision)) == sorted(state)
        in_a = {k: v for k, v in state.items() if k.startswith("a/")}
        assert _shown(world, revision, "a") == in_a


@given(WRITES, st.integers(1, 4), NAMES)
def test_pages_put_together_are_the_list(writes: list[tuple[str, str]], limit: int, after: str) -> None:
    world = World()
    for key, what in writes:
        world.write(key, what)
    wanted, found, start = [k for k in sorted(world.now) if k > after], [], after
    while True:
        page, left = world.cache.page("", start, limit)
        found += [o.key for o in page]
        assert left == len(wanted) - len(found)
        if not left:
            break
        start = page[-1].key
    assert found == wanted


@given(WRITES)
def test_events_since_a_revision_lead_from_its_state_to_the_present_one(writes: list[tuple[str, str]]) -> None:
    world = World()
    for key, what in writes:
        world.write(key, what)
    for revision, state in world.states.items():
        state = dict(state)
        for event in world.cache.since(revision):
            assert (event.previous.revision if event.previous else None) == state.get(event.object.key)
            if event.deleted:
                del state[event.object.key]
            else:
                state[event.object.key] = event.revision
        assert state == {k: v.revision for k, v in world.now.items()}


@settings(max_examples=30)
@given(WRITES)
def test_what_was_forgotten_is_refused(writes: list[tuple[str, str]]) -> None:
    kept = cache_module.RING
    cache_module.RING = 5
    try:
        world = World()
        for key, what in writes:
            world.write(key, what)
        for revision, state in world.states.items():
            if revision < world.cache.oldest:
                with pytest.raises(TooOld):
                    world.cache.list_at(revision)
                with pytest.raises(TooOld):
                    world.cache.since(revision)
            else:
                assert _shown(world, revision) == state
    finally:
        cache_module.RING = kept


def test_the_ring_is_bounded_by_bytes_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "_RING_BYTES", 2000)
    monkeypatch.setattr(cache_module, "_RING_LEAST", 4)
    world = World()
    for _ in range(100):
        world.write("a/x", "put")
    assert 4 <= len(world.cache.ring) < 40
    assert world.cache.oldest == world.cache.ring[0].revision - 1
