"""Whatever a cluster goes through, a Pod gets a node exactly if the rules know one, and one that they allow."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sampan.api.types import meta_v1
from sampan.scheduler.config import FILTERS, Profile
from sampan.scheduler.filtering import Local
from sampan.scheduler.pod_info import PodInfo
from sampan.scheduler.schedule_one import Scheduler
from tests.unit.scheduler.churn import APPS, Churn, random_wish
from tests.unit.scheduler.objects import pod

STEPS = 60


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32))
def test_no_placement_breaks_a_rule(seed: int) -> None:
    Churn(seed).run(STEPS)


def test_the_random_clusters_are_neither_empty_nor_full() -> None:
    found = nowhere = 0
    for seed in range(10):
        churn = Churn(seed)
        churn.run(STEPS)
        found += len(churn.placed)
        nowhere += churn.decided - len(churn.placed)
    assert found > 50
    assert nowhere > 50


@pytest.mark.parametrize("missing", FILTERS)
def test_a_filter_that_is_missing_is_noticed(missing: str) -> None:
    """Else the property above would say nothing about it."""
    profile = Profile(filters=frozenset(FILTERS) - {missing})
    for seed in range(200):
        try:
            Churn(seed, profile).run(STEPS)
        except AssertionError:
            return
    pytest.fail(f"nothing fails without {missing}")


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32))
def test_what_shapes_remember_is_what_they_would_find_anew(seed: int) -> None:
    """Counts and judgements that follow the nodes one by one are those of a look at the whole cluster."""
    churn = Churn(seed)
    churn.scheduler.world.default_selector = lambda pod: meta_v1.LabelSelector(matchLabels={"app": pod.labels["app"]})
    churn.run(STEPS)
    known, anew = churn.scheduler.shapes, Scheduler(churn.scheduler.world, Profile()).shapes
    for at in range(20):
        info = PodInfo(pod(f"q{at}", **random_wish(random.Random(at), ["c0"])))
        selector = meta_v1.LabelSelector(matchLabels={"app": APPS[at % 2]}) if at % 3 else None
        if info.pod.spec.topologySpreadConstraints:
            selector = None
        remembered, fresh = known.of(info, selector), anew.of(info, selector)
        assert strip(remembered.local) == strip(fresh.local)
        for name in remembered.local:
            node = churn.cache.nodes[name]
            assert remembered.refusal(node) == fresh.refusal(node)
        nodes = list(churn.cache.nodes.values())
        for counted in ("spread", "counts"):
            one, other = getattr(remembered, counted), getattr(fresh, counted)
            assert (one is None) is (other is None)
            assert one is None or one.scores(nodes) == other.scores(nodes)


def strip(local: dict[str, Local]) -> dict[str, tuple[object, ...]]:
    return {name: judged[1:] for name, judged in local.items()}
