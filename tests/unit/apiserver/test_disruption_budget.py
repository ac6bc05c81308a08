"""What a budget says of one more eviction."""

from __future__ import annotations

from typing import Any

import pytest

from sampan.api.errors import Forbidden, TooManyRequests
from sampan.api.types import core_v1, meta_v1, policy_v1
from sampan.apiserver.handlers.disruption_budget import take

POD = core_v1.Pod(metadata=meta_v1.ObjectMeta(name="p"))
NOW = "2026-01-01T00:00:00Z"


def budget(allowed: int, current: int = 3, desired: int = 3, **status: Any) -> policy_v1.PodDisruptionBudget:
    conditions = [
        meta_v1.Condition(type="DisruptionAllowed", status=value, reason=reason, message=message)
        for value, reason, message in status.pop("said", [])
    ]
    return policy_v1.PodDisruptionBudget(
        metadata=meta_v1.ObjectMeta(name="b", generation=1),
        status=policy_v1.PodDisruptionBudgetStatus(
            disruptionsAllowed=allowed,
            currentHealthy=current,
            desiredHealthy=desired,
            expectedPods=4,
            conditions=conditions or None,
            **{"observedGeneration": 1, **status},
        ),
    )


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (budget(0), "needs 3 healthy pods and has 3 currently"),
        (budget(0, 4), "does not allow evicting pods currently"),
        (budget(0, 4, said=[("False", "Because", "of it")]), "does not allow evicting pods currently (Because): of it"),
        (
            budget(0, said=[("False", "SyncFailed", "no scale")]),
            "does not allow evicting pods currently because it failed sync: no scale",
        ),
    ],
)
def test_why_not(found: Any, why: str) -> None:
    with pytest.raises(TooManyRequests) as refused:
        take(found, POD, NOW)
    assert [c.message for c in refused.value.causes] == [f"The disruption budget b {why}"]
    assert refused.value.retry_after_seconds is None


def test_a_budget_that_is_not_looked_at_yet_is_asked_again_soon() -> None:
    with pytest.raises(TooManyRequests) as refused:
        take(budget(1, observedGeneration=0), POD, NOW)
    assert refused.value.retry_after_seconds == 10


@pytest.mark.parametrize("found", [budget(-1), budget(1, disruptedPods={str(i): NOW for i in range(2001)})])
def test_a_broken_budget(found: Any) -> None:
    with pytest.raises(Forbidden):
        take(found, POD, NOW)


def test_the_last_one_that_is_allowed() -> None:
    found = budget(1, 4, said=[("True", "SufficientPods", "")])
    take(found, POD, NOW)
    assert (found.status.disruptionsAllowed, found.status.disruptedPods) == (0, {"p": NOW})
    (said,) = found.status.conditions or []
    assert (said.status, said.reason, said.lastTransitionTime) == ("False", "InsufficientPods", NOW)
