"""Any sequence of operations against a model too simple to be wrong: a list of all states there have been."""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sampan.storage.contract import EventType, KeyExists, KeyNotFound, RevisionConflict, StoreError, WatchEvent

from .conftest import WORLDS, FakeClock, World

KEYS = st.sampled_from(["/a/1", "/a/2", "/a/10", "/ab/1", "/b"])
PREFIXES = ["", "/a", "/a/", "/a/1", "/b"]
STEP = st.one_of(
    st.tuples(st.just("create"), KEYS),
    st.tuples(st.just("update"), KEYS),
    st.tuples(st.just("stale"), KEYS),
    st.tuples(st.just("delete"), KEYS),
    st.tuples(st.just("compact"), st.floats(0, 1)),
)

State = dict[str, tuple[bytes, int]]


class Model:
    def __init__(self) -> None:
        self.states: list[State] = [{}, {}]  # by revision
        self.compacted = 0

    @property
    def now(self) -> State:
        return self.states[-1]

    def write(self, key: str, value: bytes | None) -> None:
        state = dict(self.now)
        if value is None:
            del state[key]
        else:
            state[key] = (value, len(self.states))
        self.states.append(state)

    def judge(self, verb: str, key: str) -> type[StoreError] | None:
        if verb == "create":
            return KeyExists if key in self.now else None
        if key not in self.now:
            return KeyNotFound
        return RevisionConflict if verb == "stale" else None


@pytest.mark.parametrize("name", WORLDS)
@given(steps=st.lists(STEP, max_size=40))
@settings(max_examples=30, deadline=None)
def test_a_store_is_like_its_model(name: str, steps: list[tuple[str, str | float]]) -> None:
    async def follow() -> None:
        with TemporaryDirectory() as folder:
            world = await WORLDS[name](FakeClock(), Path(folder))
            try:
                await _follow(world, steps)
            finally:
                await world.close()

    asyncio.run(follow())


async def _follow(world: World, steps: list[tuple[str, str | float]]) -> None:
    store, model = world.store, Model()
    heard: dict[str, list[WatchEvent]] = {prefix: [] for prefix in PREFIXES}
    for prefix, events in heard.items():
        store.subscribe(prefix=prefix, callback=events.extend)
    for number, (verb, argument) in enumerate(steps):
        if isinstance(argument, float):
            model.compacted = max(model.compacted, int(argument * (len(model.states) - 1)))
            await store.compact(revision=model.compacted)
            continue
        value = b"%d" % number
        refused: type[StoreError] | None = None
        try:
            await _write(world, model, verb, argument, value)
        except StoreError as error:
            refused = type(error)
        assert refused is model.judge(verb, argument)
        if refused is None:
            model.write(argument, None if verb == "delete" else value)
        assert await store.current_revision() == len(model.states) - 1

    for revision in range(max(model.compacted, 1), len(model.states)):
        for prefix in PREFIXES:
            found = await store.range(prefix=prefix, revision=revision)
            state = model.states[revision]
            assert [(kv.key, (kv.value, kv.revision)) for kv in found.items] == sorted(
                item for item in state.items() if item[0].startswith(prefix)
            )
    for prefix, events in heard.items():
        _replay(events, model, prefix)
        if model.compacted + 1 < len(model.states):
            await _watch_from_history(world, model, prefix, events)


async def _write(world: World, model: Model, verb: str, key: str, value: bytes) -> None:
    if verb == "create":
        await world.store.create(key=key, value=value)
    elif verb == "delete":
        await world.store.delete(key=key)
    else:
        _, revision = model.now.get(key, (b"", 1))
        await world.store.update(key=key, value=value, expected_revision=revision - (verb == "stale"))


def _replay(events: list[WatchEvent], model: Model, prefix: str) -> None:
    """The events alone lead from one state to the next."""
    state: State = {}
    for event in events:
        before = state.get(event.key)
        assert (event.previous and (event.previous.value, event.previous.revision)) == before
        if event.type is EventType.DELETED:
            del state[event.key]
        else:
            state[event.key] = (event.kv.value, event.revision)
        assert state == {k: v for k, v in model.states[event.revision].items() if k.startswith(prefix)}
    assert state == {k: v for k, v in model.now.items() if k.startswith(prefix)}


async def _watch_from_history(world: World, model: Model, prefix: str, heard: list[WatchEvent]) -> None:
    expected = [event for event in heard if event.revision > model.compacted]
    seen: list[WatchEvent] = []
    async with world.store.watch(prefix=prefix, from_revision=model.compacted + 1) as watch:
        while len(seen) < len(expected):
            seen += await asyncio.wait_for(anext(watch), 10)
    assert seen == expected
