"""emptyDir: what it is made of, and that it is made once."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sampan.api.types import core_v1
from sampan.kubelet.errors import MountFault
from sampan.kubelet.volumes.empty_dir import InMemory, in_memory, set_up_empty_dir
from tests.unit.kubelet.pods import make_pod
from tests.unit.kubelet.world import World, in_the_loop

NODE = 1 << 30


def volume(**source: Any) -> core_v1.Volume:
    return msgspec.convert({"name": "v", "emptyDir": source}, core_v1.Volume)


def pod(*containers: dict[str, Any]) -> core_v1.Pod:
    named = [{"name": f"c{n}", "image": "i", "resources": r} for n, r in enumerate(containers or ({},))]
    return make_pod({"containers": named})


LIMITED = {"limits": {"memory": "64Mi"}}


@pytest.mark.parametrize(
    ("source", "containers", "size"),
    [
        ({}, [], NODE),
        ({"sizeLimit": "10Mi"}, [], 10 << 20),
        ({"sizeLimit": "2Gi"}, [], NODE),
        ({}, [LIMITED, LIMITED], 128 << 20),
        ({}, [LIMITED, {}], NODE),
        ({"sizeLimit": "100Mi"}, [LIMITED], 64 << 20),
        ({"sizeLimit": "0"}, [LIMITED], 64 << 20),
    ],
)
def test_memory_is_what_the_pod_could_fill(source: dict[str, Any], containers: list[Any], size: int) -> None:
    found = in_memory(volume(medium="Memory", **source), pod(*containers), node_memory=NODE)
    assert found == InMemory("tmpfs", (f"size={size}",))


def huge(**amounts: str) -> dict[str, Any]:
    return {"requests": {f"hugepages-{size}": amount for size, amount in amounts.items()}}


def test_huge_pages() -> None:
    asked = pod(huge(**{"2Mi": "4Mi"}), huge(**{"2Mi": "2Mi"}))
    expected = InMemory("hugetlbfs", ("pagesize=2Mi", f"size={6 << 20}"))
    assert in_memory(volume(medium="HugePages-2Mi"), asked, node_memory=NODE) == expected
    assert in_memory(volume(medium="HugePages"), asked, node_memory=NODE) == expected
    for containers in ([huge(**{"2Mi": "4Mi", "1Gi": "1Gi"})], [{}]):
        with pytest.raises(MountFault, match="size of huge pages"):
            in_memory(volume(medium="HugePages"), pod(*containers), node_memory=NODE)


def test_an_ordinary_one_belongs_to_the_group(tmp_path: Path) -> None:
    directory = tmp_path / "kinds" / "v"
    half_made = tmp_path / "kinds" / ".v.new"  # of a kubelet that was killed
    half_made.mkdir(parents=True)
    set_up_empty_dir(directory, volume(), pod(), node_memory=NODE, group=os.getgid())
    assert stat.S_IMODE(directory.stat().st_mode) == 0o2777
    assert not half_made.exists()


async def test_what_containers_make_of_it_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Databases refuse a directory that others may read: nothing may open it again behind their back."""
    monkeypatch.setattr(asyncio, "to_thread", in_the_loop)
    world = World(tmp_path)
    spec = {
        "securityContext": {"fsGroup": os.getgid()},
        "volumes": [{"name": "v", "emptyDir": {}}],
        "containers": [{"name": "a", "image": "app:1", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
    }
    async with world.running():
        world.add(spec)
        await world.settle()
        mounts = world.runtime.config_of(await world.container_id()).mounts
        directory = Path(next(m.host_path for m in mounts if m.container_path == "/v"))
        directory.chmod(0o700)
        changed = world.pod
        changed.metadata.annotations = {"new": "yes"}
        world.server.add(changed)
        await world.pass_time(2)
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    world.kubelet = world.new_kubelet()
    async with world.running():
        await world.pass_time(2)
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
