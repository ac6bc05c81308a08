"""Of each container the newest dead one is kept, and of sandboxes the newest."""

from __future__ import annotations

from sampan.kubelet.garbage import surplus_containers, surplus_sandboxes
from tests.unit.kubelet.pods import container, sandbox, state_of


def test_the_newest_dead_container_of_each_name_stays() -> None:
    state = state_of(
        container("a", "exited", attempt=0),
        container("a", "exited", attempt=1),
        container("a", attempt=2),
        container("b", "exited", attempt=0),
    )
    assert [c.id for c in surplus_containers(state)] == ["a0"]


def test_a_sandbox_goes_with_the_last_container_that_was_kept_in_it() -> None:
    boxes = [sandbox(attempt=2), sandbox(attempt=1, ready=False), sandbox(attempt=0, ready=False)]
    state = state_of(
        container("a", "exited", attempt=0, box=0),
        container("a", "exited", attempt=1, box=1),
        container("a", attempt=2, box=2),
        boxes=boxes,
    )
    assert [c.id for c in surplus_containers(state)] == ["a0"]
    assert surplus_sandboxes(state) == ["s0"]


def test_a_living_older_sandbox_is_not_touched() -> None:
    assert surplus_sandboxes(state_of(boxes=[sandbox(attempt=1), sandbox()])) == []
