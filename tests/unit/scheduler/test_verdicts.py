"""What is remembered of Pods that wait, and for how long."""

from __future__ import annotations

from sampan.scheduler.verdict import Refusal, Verdicts

NO = Refusal("NodeResourcesFit", ("Insufficient cpu",))


def test_the_last_word_counts_and_goes_with_the_pod() -> None:
    verdicts = Verdicts()
    verdicts.put("u", "default/p", "first", {"n": NO})
    verdicts.put("u", "default/p", "second", {"m": NO})
    found = verdicts.of("default/p")
    assert found is not None
    assert (found.message, dict(found.refusals)) == ("second", {"m": NO})
    verdicts.drop("u")
    assert verdicts.of("default/p") is None


def test_a_pod_of_the_same_name_is_another_one() -> None:
    verdicts = Verdicts()
    verdicts.put("old", "default/p", "old", {})
    verdicts.put("new", "default/p", "new", {})
    verdicts.drop("old")
    found = verdicts.of("default/p")
    assert found is not None
    assert found.message == "new"


def test_only_the_latest_are_kept_node_by_node_and_equals_count_once() -> None:
    verdicts = Verdicts(detailed=2)
    shared = {"n": NO}
    for at in range(5):
        verdicts.put(f"s{at}", f"default/s{at}", "no", shared)
    first = verdicts.of("default/s0")
    assert first is not None
    assert first.refusals is shared
    for at in range(2):
        verdicts.put(f"o{at}", f"default/o{at}", "no", {"n": NO, "m": NO})
    assert first.refusals == {}
    assert first.message == "no"
