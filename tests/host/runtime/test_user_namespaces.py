"""Pods in a user namespace of their own: root inside is nobody in particular outside, and files are whose they are."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from sampan.network import namespaces
from sampan.network.contract import IdRange
from sampan.runtime import contract as cri
from sampan.runtime import rootfs
from tests.host.runtime.world import World

FIRST = 65536 * 777
IDS = cri.IdMapping(first=FIRST)

pytestmark = [pytest.mark.root, pytest.mark.parametrize("world", ["crun", "runc"], indirect=True)]


@pytest.fixture
def netns() -> Iterator[str]:
    allowed = subprocess.run(["unshare", "--user", "true"], capture_output=True, text=True, check=False)
    if allowed.returncode != 0:
        pytest.skip(f"this machine has no user namespaces: {allowed.stderr.strip()}")
    path = Path("/run/netns") / f"owned-{uuid.uuid4().hex[:8]}"
    namespaces.create(path, IdRange(first=FIRST))
    yield str(path)
    namespaces.remove(path)


@pytest.fixture
async def sandbox(world: World, netns: str) -> str:
    return await world.sandbox(netns_path=netns, ids=IDS, hostname="inside")


async def test_root_inside_is_not_root_outside(world: World, sandbox: str) -> None:
    container = await world.container(sandbox, "sleep", "100")
    assert (await world.sh(container, "cat /proc/self/uid_map")).split() == ["0", str(FIRST), "65536"]
    assert await world.sh(container, "id -u; hostname; stat -c '%u %g' /bin/busybox /etc/hosts") == (
        "0\ninside\n0 0\n0 0"
    )
    status = await world.runtime.container_status(container)
    assert os.stat(f"/proc/{status.pid}").st_uid == FIRST
    assert (status.user, status.group) == (0, 0)
    infra = (await world.runtime.sandbox_status(sandbox)).pid
    assert os.readlink(f"/proc/{infra}/ns/user") == os.readlink(f"/proc/{status.pid}/ns/user")
    assert os.stat(f"/proc/{infra}").st_uid == FIRST + 65535
    again = await world.container(sandbox, "sleep", "100", name="again")
    assert await world.sh(again, "echo out > /dev/shm/x; stat -c %u /dev/shm/x") == "0"
    assert await world.sh(container, "cat /dev/shm/x") == "out"


async def test_its_network_is_its_own(world: World, netns: str) -> None:
    """A low port, and a setting of its network: both need rights over the network namespace."""
    sandbox = await world.sandbox(netns_path=netns, ids=IDS, sysctls={"net.ipv4.ip_default_ttl": "77"})
    script = (
        "ip link set lo up; cat /proc/sys/net/ipv4/ip_default_ttl; httpd -f -p 80 & "
        "for n in $(seq 100); do said=$(wget -O- 127.0.0.1 2>&1); case $said in *404*) break;; esac; sleep 0.1; done; "
        "echo $said; kill %1"
    )
    security = cri.SecurityContext(capabilities=cri.Capabilities(add=["NET_ADMIN"]))
    said = await world.output(sandbox, "sh", "-c", script, security=security)
    assert said.startswith("77")
    assert "404" in said


async def test_volumes_belong_to_whom_they_belong(world: World, sandbox: str, tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    (volume / "sub").mkdir(parents=True)
    (volume / "sub/mine").write_text("x")
    (volume / "theirs").write_text("y")
    os.chown(volume / "theirs", 1000, 1001)
    mounts = [
        cri.Mount(container_path="/v", host_path=str(volume)),
        cri.Mount(container_path="/s", host_path=str(volume), sub_path="sub"),
        cri.Mount(container_path="/f", host_path=str(volume / "theirs"), readonly=True),
        cri.Mount(container_path="/i", image="busybox"),
    ]
    container = await world.container(sandbox, "sleep", "100", mounts=mounts)
    paths = "/v/theirs /f /s/mine /i/bin/busybox"
    assert await world.sh(container, f"stat -c '%u %g' {paths}") == "1000 1001\n1000 1001\n0 0\n0 0"
    await world.sh(container, "touch /v/new /s/new; chown 33:44 /s/new; touch /own")
    assert (volume / "new").stat().st_uid == 0
    assert ((volume / "sub/new").stat().st_uid, (volume / "sub/new").stat().st_gid) == (33, 44)
    assert "Read-only" in await world.sh(container, "touch /f")


async def test_it_is_found_again_and_leaves_nothing(world: World, sandbox: str) -> None:
    container = await world.container(sandbox, "sleep", "100")
    await world.restart()
    assert await world.sh(container, "echo here") == "here"
    late = await world.output(sandbox, "sh", "-c", "id -u", name="late")
    assert late == "0"
    roots = Path(world.config.open_roots)
    assert [path.name for path in roots.iterdir()] == [container]
    await world.runtime.remove_sandbox(sandbox)
    assert not roots.exists()


async def test_what_a_killed_creation_left(world: World, netns: str) -> None:
    left = "f" * 64
    world.runtime.node.container_shelf.reserve(left)
    rootfs.bind_openly(str(world.root), world.config.open_roots, left)
    await world.restart()
    assert not Path(world.config.open_roots).exists()


async def test_one_process_list_for_the_pod(world: World, netns: str) -> None:
    shared = cri.Namespaces(pid=cri.NamespaceMode.POD)
    sandbox = await world.sandbox(netns_path=netns, ids=IDS, namespaces=shared)
    container = await world.container(sandbox, "sleep", "77", security=cri.SecurityContext(namespaces=shared))
    assert "/pause" in await world.sh(container, "ps")
