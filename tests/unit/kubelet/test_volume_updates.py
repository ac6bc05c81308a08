"""What volumes show follows what it is made from, while the Pod runs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from sampan.api.types import core_v1
from tests.unit.kubelet.world import World, in_the_loop


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(asyncio, "to_thread", in_the_loop)
    return World(tmp_path)


def pod_with(source: dict[str, Any]) -> dict[str, Any]:
    mounts = [{"name": "v", "mountPath": "/v"}]
    return {
        "containers": [{"name": "a", "image": "app:1", "volumeMounts": mounts}],
        "volumes": [{"name": "v", **source}],
    }


async def folder(world: World) -> Path:
    (mount,) = [m for m in world.runtime.config_of(await world.container_id()).mounts if m.container_path == "/v"]
    return Path(mount.host_path)


def settings(**data: str) -> core_v1.ConfigMap:
    made = core_v1.ConfigMap(data=data)
    made.metadata.name, made.metadata.namespace = "settings", "ns"
    return made


async def test_a_config_map_that_changes(world: World) -> None:
    maps = world.server.client().resource(core_v1.ConfigMap)
    await maps.create(settings(color="blue"))
    async with world.running():
        world.add(pod_with({"configMap": {"name": "settings"}}))
        await world.settle()
        files = await folder(world)
        assert (files / "color").read_text() == "blue"
        await maps.update(settings(color="red", shape="round"))
        await world.pass_time(2)
        assert (files / "color").read_text() == "red"
        assert (files / "shape").read_text() == "round"
        assert world.calls("start_container") == 1


async def test_a_config_map_that_comes_late(world: World) -> None:
    async with world.running():
        world.add(pod_with({"configMap": {"name": "settings"}}))
        await world.settle()
        assert world.state["waiting"]["reason"] == "ContainerCreating"
        assert world.reasons() == ["FailedMount"]
        await world.server.client().resource(core_v1.ConfigMap).create(settings(color="blue"))
        await world.pass_time(2)
        assert world.condition("Ready") == "True"


async def test_labels_that_change(world: World) -> None:
    items = [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]
    async with world.running():
        world.add(pod_with({"downwardAPI": {"items": items}}), labels={"a": "1"})
        await world.settle()
        files = await folder(world)
        assert (files / "labels").read_text() == 'a="1"'
        pod = world.pod
        pod.metadata.labels = {"a": "2"}
        world.server.add(pod)
        await world.pass_time(1)
        assert (files / "labels").read_text() == 'a="2"'


async def test_what_was_optional_appears(world: World) -> None:
    async with world.running():
        world.add(pod_with({"configMap": {"name": "settings", "optional": True}}))
        await world.settle()
        files = await folder(world)
        assert not (files / "color").exists()
        await world.server.client().resource(core_v1.ConfigMap).create(settings(color="blue"))
        await world.pass_time(2)
        assert (files / "color").read_text() == "blue"
