"""What containers of one Pod share, and what each has for itself."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from sampan.runtime import contract as cri
from tests.host.runtime.world import World

pytestmark = pytest.mark.root

SHARED_PIDS = cri.Namespaces(pid=cri.NamespaceMode.POD)


def with_pids(mode: cri.NamespaceMode, target: str = "") -> cri.SecurityContext:
    return cri.SecurityContext(namespaces=cri.Namespaces(pid=mode, target_id=target))


@pytest.mark.parametrize("world", ["crun", "runc"], indirect=True)
async def test_a_container_runs_and_says_what_it_did(world: World) -> None:
    sandbox = await world.sandbox(name="kubia")
    container = await world.container(sandbox, "sh", "-c", "echo out; echo err >&2; hostname; exit 3")
    status = await world.ended(container)
    assert sorted(world.log(status).split()) == ["err", "kubia", "out"]
    assert (status.state, status.exit_code, status.reason) == (cri.ContainerState.EXITED, 3, "Error")
    assert status.created_at <= status.started_at <= status.finished_at + 1_000_000_000


async def test_containers_share_network_hostname_ipc_and_shm(world: World) -> None:
    sandbox = await world.sandbox(name="web", hostname="web-0")
    a = await world.container(sandbox, "sh", "-c", "echo hello | nc -l -p 8080; sleep 100")
    b = await world.container(sandbox, "sleep", "100")
    assert await world.sh(b, "for i in 1 2 3 4 5 6 7 8 9; do nc 127.0.0.1 8080 && break; sleep 0.1; done") == "hello"
    assert [await world.sh(c, "hostname; cat /etc/hostname") for c in (a, b)] == ["web-0\nweb-0"] * 2
    await world.sh(a, "echo shared > /dev/shm/note")
    assert await world.sh(b, "cat /dev/shm/note; df -m /dev/shm | grep -o ' 64 ' | head -1") == "shared\n 64"
    for kind in ("net", "uts", "ipc"):
        assert len({await world.sh(c, f"readlink /proc/self/ns/{kind}") for c in (a, b)}) == 1
    assert await world.sh(a, "readlink /proc/self/ns/net") != os.readlink("/proc/self/ns/net")


async def test_a_port_is_taken_once_per_pod_and_free_in_the_next(world: World) -> None:
    first, second = await world.sandbox(), await world.sandbox()
    await world.container(first, "httpd", "-f", "-p", "8080")
    clash = await world.ended(await world.container(first, "httpd", "-f", "-p", "8080"))
    assert "Address already in use" in world.log(clash)
    other = await world.container(second, "httpd", "-f", "-p", "8080")
    assert (await world.runtime.container_status(other)).state is cri.ContainerState.RUNNING


async def test_each_container_has_its_own_files_and_processes(world: World) -> None:
    sandbox = await world.sandbox()
    a, b = await world.container(sandbox, "sleep", "111"), await world.container(sandbox, "sleep", "222")
    await world.sh(a, "echo mine > /data/file")
    assert "No such file" in await world.sh(b, "cat /data/file")
    seen = await world.sh(a, "ps")
    assert "sleep 111" in seen
    assert "sleep 222" not in seen
    assert not (world.root / "data/file").exists()


async def test_a_shared_pid_namespace_has_the_infra_process_first(world: World) -> None:
    sandbox = await world.sandbox(namespaces=SHARED_PIDS)
    a = await world.container(sandbox, "sleep", "111", security=with_pids(cri.NamespaceMode.POD))
    b = await world.container(sandbox, "sleep", "222", security=with_pids(cri.NamespaceMode.POD))
    seen = await world.sh(a, "ps")
    assert "sleep 222" in seen
    assert "/pause" in seen
    assert "1 65535" in " ".join(seen.split())
    assert "denied" in (await world.sh(a, "ls /proc/1/root")).lower()
    await world.runtime.stop_container(b, 0)
    assert "sleep 222" not in await world.sh(a, "ps")


async def test_a_container_can_look_into_another(world: World) -> None:
    sandbox = await world.sandbox()
    a = await world.container(sandbox, "sleep", "111")
    debug = await world.container(sandbox, "sleep", "333", security=with_pids(cri.NamespaceMode.TARGET, a))
    assert "sleep 111" in await world.sh(debug, "ps")


async def test_the_infra_process_is_on_the_host_and_outlives_containers(world: World) -> None:
    sandbox = await world.sandbox()
    await world.settled()
    status = await world.runtime.sandbox_status(sandbox)
    assert Path(f"/proc/{status.pid}/cmdline").read_bytes() == b"/pause\0-P\0"
    assert f"pod{status.uid}" in Path(f"/proc/{status.pid}/cgroup").read_text()
    first = await world.container(sandbox, "true")
    await world.ended(first)
    second = await world.container(sandbox, "sleep", "100")
    assert os.readlink(f"/proc/{status.pid}/ns/uts") == await world.sh(second, "readlink /proc/self/ns/uts")


async def test_a_dead_infra_process_is_a_dead_sandbox(world: World) -> None:
    events = world.runtime.events()
    sandbox = await world.sandbox()
    os.kill((await world.runtime.sandbox_status(sandbox)).pid, 9)
    async for event in events:
        if event.kind is cri.EventKind.SANDBOX_DIED:
            break
    assert event.sandbox_id == sandbox
    assert (await world.runtime.sandbox_status(sandbox)).state is cri.SandboxState.NOT_READY
    with pytest.raises(cri.CreateError):
        await world.container(sandbox, "true")


async def test_the_host_s_network_ipc_and_pids_on_request(world: World) -> None:
    node = cri.NamespaceMode.NODE
    namespaces = cri.Namespaces(network=node, pid=node, ipc=node)
    sandbox = await world.sandbox(namespaces=namespaces)
    container = await world.container(sandbox, "sleep", "100", security=cri.SecurityContext(namespaces=namespaces))
    for kind in ("net", "uts", "ipc", "pid"):
        assert await world.sh(container, f"readlink /proc/self/ns/{kind}") == os.readlink(f"/proc/self/ns/{kind}")
    assert await world.sh(container, "hostname") == socket.gethostname()


async def test_the_pod_s_files_and_sysctls(world: World) -> None:
    sandbox = await world.sandbox(
        etc_hosts="127.0.0.1 localhost\n10.1.2.3 friend\n",
        dns=cri.DnsConfig(servers=["10.96.0.10"], searches=["a.local", "local"], options=["ndots:5"]),
        sysctls={"net.ipv4.ip_unprivileged_port_start": "1", "kernel.shm_rmid_forced": "1"},
    )
    files = "/etc/hosts /etc/resolv.conf /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/shm_rmid_forced"
    said = await world.output(sandbox, "sh", "-c", f"cat {files}")
    assert said.splitlines() == [
        "127.0.0.1 localhost", "10.1.2.3 friend", "search a.local local", "nameserver 10.96.0.10", "options ndots:5",
        "1", "1",
    ]  # fmt: skip
    assert Path("/proc/sys/kernel/shm_rmid_forced").read_text() == "0\n"
    with pytest.raises(cri.InvalidArgument):
        await world.sandbox(sysctls={"kernel.panic": "1"})


async def test_a_failing_sandbox_leaves_nothing(world: World) -> None:
    with pytest.raises(cri.RuntimeFault):
        await world.sandbox(netns_path="/run/netns/no-such")
    with pytest.raises(cri.RuntimeFault):
        await world.sandbox(sysctls={"net.no.such": "1"})
    assert await world.runtime.list_sandboxes() == []


async def test_a_pod_s_next_sandbox_beside_the_last_one(world: World) -> None:
    """The old one's removal takes nothing from the new one, which lives in the same Pod cgroup."""
    netns = world.new_netns()
    old = await world.sandbox(uid="same", netns_path=netns)
    await world.container(old, "sleep", "100")
    await world.runtime.stop_sandbox(old)
    new, _ = await asyncio.gather(
        world.sandbox(uid="same", attempt=1, netns_path=netns), world.runtime.remove_sandbox(old)
    )
    container = await world.container(new, "sleep", "100")
    await world.settled()
    assert await world.sh(container, "echo here") == "here"
    status = await world.runtime.sandbox_status(new)
    assert "podsame" in Path(f"/proc/{status.pid}/cgroup").read_text()
    assert [s.id for s in await world.runtime.list_sandboxes("same")] == [new]
