"""How a Pod fares is what its annotations, its Node's and the defaults say, in this order."""

import pytest

from sampan.simulator.behaviour import BadAnnotation, Behaviour, behaviour_of
from tests.unit.simulator.objects import node, pod

P = "simulate.sampan.io/"


def test_pods_run_for_good_and_those_of_jobs_end() -> None:
    assert behaviour_of(pod(), node()).run_for is None
    assert behaviour_of(pod(owner="Job"), node()).run_for == 1.0
    assert behaviour_of(pod(owner="Job"), node(job_time="5s")).run_for == 5.0
    assert behaviour_of(pod(owner="ReplicaSet"), node(job_time="5s")).run_for is None
    assert behaviour_of(pod(owner="Job", annotations={P + "run-for": "7s"}), node(job_time="5s")).run_for == 7.0


def test_the_pods_own_annotations_count_first() -> None:
    found = behaviour_of(pod(annotations={P + "start-after": "250ms"}), node(start_after="1m", stop_after="2s"))
    assert (found.start_after, found.stop_after) == (0.25, 2.0)


def test_a_share_of_pods_fails_and_always_the_same() -> None:
    def fails(uid: str) -> bool:
        return behaviour_of(pod(uid=uid), node(fail_rate="0.25")).exit_code == 1

    failed = {f"pod-{i}" for i in range(2000) if fails(f"pod-{i}")}
    assert 350 < len(failed) < 650
    assert failed == {f"pod-{i}" for i in range(2000) if fails(f"pod-{i}")}


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("run-for", "soon", "invalid duration"),
        ("start-after", "-1s", "must not be negative"),
        ("exit-code", "256", "must be between 0 and 255"),
        ("fail-rate", "often", "not a number"),
    ],
)
def test_what_cannot_be_done_is_said(key: str, value: str, said: str) -> None:
    with pytest.raises(BadAnnotation, match=said):
        behaviour_of(pod(annotations={P + key: value}), node())


def test_what_a_shape_asks_for_comes_back_from_its_annotations() -> None:
    asked = Behaviour(start_after=0.5, run_for=90.0, job_time=2.0, exit_code=3, fail_rate=0.125, stop_after=1.0)
    made = node()
    made.metadata.annotations = asked.annotations()
    assert behaviour_of(pod(), made) == asked
    assert Behaviour().annotations() == {}
