"""What becomes of an object, by the state of its owners."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.api.types.meta_v1 import ObjectMeta, OwnerReference
from sampan.controllers.garbage.decide import (
    FOREGROUND,
    ORPHAN,
    Delete,
    Keep,
    OwnerState,
    Release,
    Verdict,
    blocks,
    is_orphaning,
    is_waiting,
    verdict,
    without_owners,
)
from sampan.controllers.garbage.graph import Graph

SOLID, DANGLING, WAITING, UNKNOWN = OwnerState.SOLID, OwnerState.DANGLING, OwnerState.WAITING, OwnerState.UNKNOWN


def owner(uid: str, *, block: bool = True) -> OwnerReference:
    return OwnerReference(apiVersion="v1", kind="ConfigMap", name=uid, uid=uid, blockOwnerDeletion=block)


def decide(
    states: list[OwnerState], *, finalizers: list[str] | None = None, has: bool = False, wait: bool = False
) -> Verdict:
    pairs = [(owner(f"u{i}"), state) for i, state in enumerate(states)]
    return verdict(ObjectMeta(finalizers=finalizers), pairs, has_dependents=has, dependents_wait=wait)


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([], Keep()),
        ([SOLID], Keep()),
        ([SOLID, SOLID], Keep()),
        ([SOLID, DANGLING], Release(frozenset({"u1"}))),
        ([WAITING, SOLID, DANGLING], Release(frozenset({"u0", "u2"}))),
        ([DANGLING], Delete("Background")),
        ([DANGLING, DANGLING], Delete("Background")),
        ([WAITING], Delete("Background")),
        ([DANGLING, WAITING], Delete("Background")),
        ([UNKNOWN], Keep()),
        ([DANGLING, UNKNOWN], Keep()),
    ],
)
def test_verdicts(states: list[OwnerState], expected: Verdict) -> None:
    assert decide(states) == expected


def test_what_was_asked_for_itself_stays_asked_for() -> None:
    assert decide([DANGLING], finalizers=[ORPHAN]) == Delete("Orphan")
    assert decide([DANGLING], finalizers=[FOREGROUND]) == Delete("Foreground")


def test_the_foreground_goes_down_the_tree_and_cycles_are_opened() -> None:
    assert decide([WAITING], has=True) == Delete("Foreground")
    assert decide([WAITING], has=True, wait=True) == Delete("Foreground", unblock=True)
    assert decide([DANGLING], has=True) == Delete("Background")


def test_no_object_with_a_solid_owner_is_ever_deleted() -> None:
    for size in range(1, 5):
        for states in itertools.product(OwnerState, repeat=size):
            for has, wait in itertools.product((False, True), repeat=2):
                if SOLID in states:
                    assert not isinstance(decide([*states], has=has, wait=wait), Delete)


@pytest.mark.parametrize(
    ("deleting", "finalizers", "waiting", "orphaning"),
    [
        (True, [FOREGROUND], True, False),
        (True, [ORPHAN], False, True),
        (False, [FOREGROUND], False, False),
        (True, ["other"], False, False),
        (True, None, False, False),
    ],
)
def test_states_of_an_owner(deleting: bool, finalizers: list[str] | None, waiting: bool, orphaning: bool) -> None:
    meta = ObjectMeta(deletionTimestamp="2026-01-01T00:00:00Z" if deleting else None, finalizers=finalizers)
    assert (is_waiting(meta), is_orphaning(meta)) == (waiting, orphaning)


def test_references() -> None:
    meta = ObjectMeta(ownerReferences=[owner("a"), owner("b", block=False)])
    assert blocks(meta, "a")
    assert not blocks(meta, "b")
    assert not blocks(meta, "c")
    assert [r.uid for r in without_owners(meta, frozenset({"a"}))] == ["b"]


@given(st.lists(st.tuples(st.sampled_from("xyz"), st.sets(st.sampled_from("abc")))))
def test_the_graph_is_what_the_last_states_say(steps: list[tuple[str, set[str]]]) -> None:
    graph = Graph()
    known: dict[str, ObjectMeta] = {}
    for name, owners in steps:
        after = ObjectMeta(ownerReferences=[owner(uid) for uid in sorted(owners)]) if owners else None
        graph.move(("things", name), known.get(name), after)
        known.pop(name, None)
        if after is not None:
            known[name] = after
    for uid in "abc":
        expected = {("things", n) for n, m in known.items() if uid in {r.uid for r in m.ownerReferences or ()}}
        assert set(graph.dependents(uid)) == expected
        assert graph.has_dependents(uid) == bool(expected)
