"""Pods that are gone leave nothing in the kubelet's memory: a node sees many thousands of them."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path
from typing import Any

import pytest

from sampan.api.types import core_v1
from sampan.runtime.fake import Behaviour
from tests.unit.kubelet.world import World, in_the_loop

NOT_THE_KUBELETS = ("client", "runtime", "network", "recorder", "config")


def collections_of(thing: object, path: str = "", seen: set[int] | None = None) -> dict[str, int]:
    """Every dict, set and list that can be reached through attributes, with its length."""
    seen = set() if seen is None else seen
    found: dict[str, int] = {}
    if id(thing) in seen:
        return found
    seen.add(id(thing))
    attributes: dict[str, Any] = getattr(thing, "__dict__", {})
    for name, value in attributes.items():
        if not path and name in NOT_THE_KUBELETS:
            continue
        if isinstance(value, dict | set | list):
            found[f"{path}.{name}"] = len(value)
        elif type(value).__module__.startswith("sampan.kubelet"):
            found |= collections_of(value, f"{path}.{name}", seen)
    return found


async def test_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asyncio, "to_thread", in_the_loop)
    world = World(tmp_path)
    world.runtime.behave("app:1", *[Behaviour(run_for=0.1, exit_code=1), Behaviour()] * 8)
    probe = {"exec": {"command": ["x"]}, "periodSeconds": 1}
    one = {"name": "a", "image": "app:1", "readinessProbe": probe, "livenessProbe": probe}
    volume = {"name": "v", "configMap": {"name": "none", "optional": True}}
    async with world.running():
        before = collections_of(world.kubelet)
        for number in range(8):
            world.uid = str(uuid.uuid4())
            world.add({"containers": [one], "volumes": [volume]})
            await world.pass_time(2)
            assert world.pod.status.containerStatuses
            grace = 0 if number % 2 else 1
            await world.server.client().resource(core_v1.Pod).delete("p", namespace="ns", grace_period_seconds=grace)
            await world.pass_time(3)
        after = collections_of(world.kubelet)
        assert world.kubelet.correlator.remembered == 0
    assert len(before) > 15
    assert {path: length for path, length in after.items() if length > before.get(path, 0)} == {}
