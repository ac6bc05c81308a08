"""Pods that fail where they belong."""

from __future__ import annotations

from sampan.client.clock import FakeClock
from sampan.controllers.replacements import Replacements

LONGEST = 10.0


def test_failed_pods_are_replaced_more_and_more_seldom() -> None:
    clock = FakeClock()
    waits = Replacements(clock, LONGEST)
    assert waits.wait("k", "n") == 0.0
    assert waits.wait("k", "n") == 1.0
    for step in (1.0, 2.0, 4.0):
        clock._monotonic += step
        assert waits.wait("k", "n") == 0.0
        assert waits.wait("k", "n") == 2 * step
    clock._monotonic += 8.0
    assert waits.wait("k", "n") == 0.0
    assert waits.wait("k", "n") == LONGEST
    assert waits.wait("k", "other") == 0.0
    waits.forget("k")
    assert waits.wait("k", "n") == 0.0
    clock._monotonic += 3 * LONGEST
    assert waits.wait("k", "n") == 0.0
    assert waits.wait("k", "n") == 1.0, "it went well for long"
