"""Which Pods somebody still has to say something about."""

from __future__ import annotations

import pytest

from sampan.api.types import core_v1, meta_v1
from sampan.testing.control_plane import is_seen

REFUSED = core_v1.PodStatus(conditions=[core_v1.PodCondition(type="PodScheduled", status="False")])


@pytest.mark.parametrize(
    ("node", "status", "gates", "seen"),
    [
        ("", core_v1.PodStatus(), None, False),
        ("", REFUSED, None, True),
        ("", core_v1.PodStatus(), [core_v1.PodSchedulingGate(name="later")], True),
        ("n", core_v1.PodStatus(), None, False),
        ("n", core_v1.PodStatus(observedGeneration=1), None, False),
        ("n", core_v1.PodStatus(observedGeneration=2), None, True),
    ],
)
def test_seen(node: str, status: core_v1.PodStatus, gates: list[core_v1.PodSchedulingGate] | None, seen: bool) -> None:
    spec = core_v1.PodSpec(containers=[], nodeName=node or None, schedulingGates=gates)
    assert is_seen(core_v1.Pod(metadata=meta_v1.ObjectMeta(generation=2), spec=spec, status=status)) is seen
