"""Pods that somebody's finalizer holds: their owners wait, or go on without them, and do not go round in circles."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sampan.api.types import apps_v1, batch_v1, core_v1, meta_v1
from sampan.controllers.owned_pods import is_active
from tests.unit.controllers.test_whatever_happens import Story, ready, selector, template

HOLD = "example.com/hold"


def owner(kind: str) -> Any:
    meta = meta_v1.ObjectMeta(name="o", namespace="n")
    common: dict[str, Any] = {"selector": selector(), "template": template()}
    if kind == "ReplicaSet":
        return apps_v1.ReplicaSet(metadata=meta, spec=apps_v1.ReplicaSetSpec(replicas=2, **common))
    if kind == "Recreate":
        strategy = apps_v1.DeploymentStrategy(type="Recreate")
        return apps_v1.Deployment(metadata=meta, spec=apps_v1.DeploymentSpec(replicas=2, strategy=strategy, **common))
    if kind == "StatefulSet":
        return apps_v1.StatefulSet(metadata=meta, spec=apps_v1.StatefulSetSpec(replicas=2, **common))
    if kind == "DaemonSet":
        return apps_v1.DaemonSet(metadata=meta, spec=apps_v1.DaemonSetSpec(**common))
    return batch_v1.Job(metadata=meta, spec=batch_v1.JobSpec(completions=2, parallelism=2, **common))


@pytest.mark.parametrize(
    ("kind", "replaced"), [("ReplicaSet", 2), ("Recreate", 2), ("StatefulSet", 0), ("DaemonSet", 0), ("Job", 2)]
)
async def test_a_stuck_pod_is_waited_for_in_silence(kind: str, replaced: int) -> None:
    story = Story()
    for name in ("a", "b"):
        story.server.add(core_v1.Node(metadata=meta_v1.ObjectMeta(name=name)))
    story.server.add(owner(kind))
    await story.start()
    for _ in range(4):
        for at in range(4):
            story.change(at, ready)
        await story.clock.advance(2)
    for pod in story.pods():
        pod.metadata.finalizers = [*(pod.metadata.finalizers or ()), HOLD]
        story.server.add(pod)
    stuck = {p.metadata.uid for p in story.pods()}
    assert len(stuck) == 2
    for at in range(2):
        await story.delete(at)
    await story.clock.advance(60)
    fresh = [p for p in story.pods() if p.metadata.uid not in stuck]
    assert len([p for p in fresh if is_active(p)]) == replaced
    for at in range(4):
        story.change(at, ready)
    await story.clock.advance(60)
    writes = len(story.server.writes())
    await story.clock.advance(3600)
    assert len(story.server.writes()) == writes
    await story.kill()
    await asyncio.sleep(0)
