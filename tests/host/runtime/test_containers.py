"""One container: command, user, mounts, limits, and how it ends."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from sampan.runtime import contract as cri
from sampan.runtime.cgroups import Layout
from tests.host.runtime.world import World

pytestmark = pytest.mark.root


async def test_environment_and_directory(world: World) -> None:
    sandbox = await world.sandbox(name="p")
    said = await world.output(sandbox, "sh", "-c", "pwd; env", working_dir="/data", env={"A": "1 2", "PATH": "/bin"})
    lines = said.splitlines()
    assert lines[0] == "/data"
    assert {"FROM_IMAGE=yes", "A=1 2", "PATH=/bin", "HOSTNAME=p", "HOME=/root"} <= set(lines)


@pytest.mark.parametrize("world", ["crun", "runc"], indirect=True)
async def test_a_working_directory_is_made(world: World) -> None:
    assert await world.output(await world.sandbox(), "sh", "-c", "pwd", working_dir="/new/one") == "/new/one"


@pytest.mark.parametrize(
    ("security", "expected"),
    [
        ({}, "uid=0(root) gid=0(root) groups=0(root)"),
        ({"run_as_user": 1000}, "uid=1000(app) gid=1001(app) groups=1001(app),2000(extra)"),
        ({"run_as_username": "app"}, "uid=1000(app) gid=1001(app) groups=1001(app),2000(extra)"),
        ({"run_as_user": 4321}, "uid=4321 gid=0(root) groups=0(root)"),
        ({"run_as_user": 1000, "run_as_group": 7, "supplemental_groups": [5, 6],
          "supplemental_groups_policy": "Strict"}, "uid=1000(app) gid=7 groups=5,6,7"),
    ],
)  # fmt: skip
async def test_users(world: World, security: dict[str, Any], expected: str) -> None:
    said = await world.output(await world.sandbox(), "id", security=cri.SecurityContext(**security))
    assert said == expected


async def test_privileges(world: World) -> None:
    sandbox = await world.sandbox()
    script = "grep -E 'CapEff|NoNewPrivs|Seccomp:' /proc/self/status; touch /f && echo wrote; "
    script += "mount -t tmpfs x /tmp && echo mounted"

    async def said(**fields: Any) -> str:
        return await world.output(sandbox, "sh", "-c", script + "; true", security=cri.SecurityContext(**fields))

    default = await said()
    assert "00000000a80425fb" in default
    assert "wrote" in default
    assert "mounted" not in default
    tight = await said(
        capabilities=cri.Capabilities(drop=["ALL"], add=["NET_BIND_SERVICE"]), no_new_privs=True, readonly_rootfs=True,
        seccomp=cri.Seccomp(type="RuntimeDefault"),
    )  # fmt: skip
    assert "0000000000000400" in tight
    assert "NoNewPrivs:\t1" in tight
    assert "Seccomp:\t2" in tight
    assert "wrote" not in tight
    assert "mounted" in await said(privileged=True)


async def test_seccomp_default_refuses_what_it_should(world: World) -> None:
    security = cri.SecurityContext(
        seccomp=cri.Seccomp(type="RuntimeDefault"), capabilities=cri.Capabilities(add=["SYS_TIME"])
    )
    container = await world.container(await world.sandbox(), "sleep", "100", security=security)
    assert await world.sh(container, "echo fine; ls / | wc -l; sleep 0.01; nc -l -p 99 & sleep 0.05; kill $!") != ""
    assert (await world.runtime.container_status(container)).state is cri.ContainerState.RUNNING


@pytest.mark.parametrize("world", ["crun", "runc"], indirect=True)
async def test_a_seccomp_profile_of_one_s_own(world: World, tmp_path: Path) -> None:
    profile = tmp_path / "no-mkdir.json"
    profile.write_text(json.dumps({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}],
    }))  # fmt: skip
    security = cri.SecurityContext(seccomp=cri.Seccomp(type="Localhost", localhost_path=str(profile)))
    said = await world.output(await world.sandbox(), "sh", "-c", "mkdir /x; touch /y && echo made", security=security)
    assert "Operation not permitted" in said
    assert "made" in said


async def test_events_tell_a_life_in_order(world: World) -> None:
    events = world.runtime.events()
    sandbox = await world.sandbox()
    quick = await world.container(sandbox, "sh", "-c", "exit 3")
    await world.ended(quick)
    await world.runtime.remove_sandbox(sandbox)
    await world.runtime.close()
    seen = [(e.kind.value, e.exit_code) async for e in events if e.container_id in ("", quick)]
    assert seen == [
        ("sandbox-ready", 0), ("created", 0), ("started", 0), ("stopped", 3), ("sandbox-died", 0), ("deleted", 0),
        ("sandbox-deleted", 0),
    ]  # fmt: skip
    await world.restart_closed()


async def test_masked_and_readonly_paths(world: World) -> None:
    container = await world.container(await world.sandbox(), "sleep", "100")
    assert "Read-only" in await world.sh(container, "echo 1 > /proc/sys/net/ipv4/ip_forward")
    assert await world.sh(container, "cat /proc/timer_list /proc/keys | wc -c") == "0"
    groups = "/sys/fs/cgroup" if world.runtime.node.tree.layout is Layout.V2 else "/sys/fs/cgroup/memory"
    assert "Read-only" in await world.sh(container, f"mkdir {groups}/x")


async def test_mounts(world: World, tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    (volume / "sub/deep").mkdir(parents=True)
    (volume / "sub/file").write_text("in sub")
    volume.chmod(0o2775)
    mounts = [
        cri.Mount(container_path="/data", host_path=str(volume)),
        cri.Mount(container_path="/ro", host_path=str(volume), readonly=True),
        cri.Mount(container_path="/rro", host_path=str(volume), readonly=True, recursive_readonly=True),
        cri.Mount(container_path="/sub", host_path=str(volume), sub_path="sub"),
        cri.Mount(container_path="/one", host_path=str(volume), sub_path="sub/file"),
        cri.Mount(container_path="/fresh", host_path=str(volume), sub_path="made/here"),
        cri.Mount(container_path="/ram", tmpfs=True, size=1 << 20),
        cri.Mount(container_path="/data/inner", tmpfs=True),
    ]
    container = await world.container(await world.sandbox(), "sleep", "100", mounts=mounts)
    await world.sh(container, "echo x > /data/new; echo y > /fresh/z; echo t > /data/inner/t")
    assert (volume / "new").read_text() == "x\n"
    assert (volume / "made/here/z").read_text() == "y\n"
    assert not (volume / "inner/t").exists()
    assert await world.sh(container, "cat /sub/file /one") == "in subin sub"
    for made in ("made", "made/here"):  # as open as the volume
        assert (volume / made).stat().st_mode & 0o7777 == 0o2775
    for path in ("/ro/n", "/rro/n"):
        assert "Read-only" in await world.sh(container, f"touch {path}")
    assert "No space" in await world.sh(container, "dd if=/dev/zero of=/ram/big bs=1M count=2")


async def test_a_sub_path_never_leaves_its_volume(world: World, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("secret")
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "absolute").symlink_to(secret)
    (volume / "climbing").symlink_to("../secret")
    sandbox = await world.sandbox()
    for link in ("absolute", "climbing"):
        mount = cri.Mount(container_path="/m", host_path=str(volume), sub_path=f"{link}/key")
        try:
            said = await world.output(sandbox, "sh", "-c", "cat /m; ls /m", mounts=[mount])
        except cri.CreateError:
            continue
        assert "secret" not in said
    with pytest.raises(cri.CreateError, match=r"'\.\.'"):
        await world.container(
            sandbox, "true", mounts=[cri.Mount(container_path="/m", host_path=str(volume), sub_path="../secret")]
        )


async def test_a_missing_mount_source_is_a_create_error_and_leaves_nothing(world: World) -> None:
    sandbox = await world.sandbox()
    with pytest.raises(cri.CreateError, match="does not exist"):
        await world.container(sandbox, "true", mounts=[cri.Mount(container_path="/m", host_path="/no/such")])
    assert await world.runtime.list_containers() == []


@pytest.mark.parametrize("world", ["crun", "runc"], indirect=True)
@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("/no/such", "stat /no/such: no such file or directory"),
        ("nosuch", "executable file not found in $PATH"),
        ("/etc/passwd", "permission denied"),
    ],
)
async def test_a_command_that_cannot_run_is_a_start_error(world: World, command: str, reason: str) -> None:
    sandbox = await world.sandbox()
    container = await world.container(sandbox, command, start=False)
    with pytest.raises(cri.StartError):
        await world.runtime.start_container(container)
    status = await world.runtime.container_status(container)
    assert (status.state, status.exit_code, status.reason) == (cri.ContainerState.EXITED, 128, "StartError")
    said = f'create failed: unable to start container process: exec: "{command}": {reason}'
    assert status.message.startswith("OCI runtime create failed: ")
    assert status.message.endswith(said)
    running = await world.container(sandbox, "sleep", "100")
    with pytest.raises(cri.StartError) as error:
        await world.runtime.exec_sync(running, [command])
    said = f'exec failed: unable to start container process: exec: "{command}": {reason}'
    assert str(error.value) == f"OCI runtime exec failed: {said}"
    for _ in range(5):
        stream = await world.runtime.exec(running, [command])
        assert stream.stderr is not None
        assert await stream.stderr.read(1000) == b""  # the error says it all
        with pytest.raises(cri.StartError):
            await stream.wait()
        await stream.close()


@pytest.mark.parametrize("world", ["crun", "runc"], indirect=True)
async def test_limits_reach_the_cgroup_and_can_change(world: World) -> None:
    resources = cri.Resources(
        cpu_shares=512, cpu_quota=20_000, cpu_period=100_000, memory_limit=64 << 20, pids_limit=50
    )
    sandbox = await world.sandbox(qos_class="Burstable", resources=cri.Resources(cpu_shares=700))
    container = await world.container(sandbox, "sleep", "100", resources=resources)
    path = (await world.runtime.sandbox_status(sandbox)).cgroup_path
    assert path == f"{world.tag}/kubepods/burstable/pod{(await world.runtime.sandbox_status(sandbox)).uid}"

    def value(v1: str, v2: str, where: str) -> str:
        for candidate in (f"/sys/fs/cgroup/{v1.split('.')[0]}/{where}/{v1}", f"/sys/fs/cgroup/{where}/{v2}"):
            if Path(candidate).exists():
                return Path(candidate).read_text().strip()
        raise AssertionError(f"no cgroup {where}")

    where = f"{path}/{container}"
    assert value("memory.limit_in_bytes", "memory.max", where) == str(64 << 20)
    assert value("cpu.cfs_quota_us", "cpu.max", where).split()[0] == "20000"
    assert value("pids.max", "pids.max", where) == "50"
    assert value("cpu.shares", "cpu.weight", path) in ("700", "27")
    more = cri.Resources(memory_limit=96 << 20, cpu_quota=50_000, cpu_period=100_000)
    await world.runtime.update_container_resources(container, more)
    assert value("memory.limit_in_bytes", "memory.max", where) == str(96 << 20)
    assert value("cpu.cfs_quota_us", "cpu.max", where).split()[0] == "50000"


@pytest.mark.parametrize("world", ["crun", "runc"], indirect=True)
async def test_out_of_memory_is_told_apart_from_a_kill(world: World) -> None:
    sandbox = await world.sandbox()
    events = world.runtime.events()
    limited = cri.Resources(memory_limit=20 << 20)
    hungry = await world.ended(await world.container(sandbox, "tail", "/dev/zero", resources=limited))
    assert (hungry.exit_code, hungry.reason) == (137, "OOMKilled")
    victim = await world.container(sandbox, "sleep", "100", resources=limited)
    await world.runtime.stop_container(victim, 0)
    status = await world.ended(victim)
    assert (status.exit_code, status.reason) == (137, "Error")
    await world.runtime.close()
    kinds = [(e.kind.value, e.container_id == hungry.id) async for e in events]
    assert ("oom", True) in kinds
    assert ("oom", False) not in kinds
    await world.restart_closed()


async def test_stopping_with_the_image_s_signal_and_with_none_heeded(world: World) -> None:
    sandbox = await world.sandbox()
    polite = "trap 'echo bye; exit 7' USR1; while true; do sleep 0.05; done"
    container = await world.container(sandbox, "sh", "-c", polite, stop_signal="SIGUSR1")
    await asyncio.sleep(0.1)
    await world.runtime.stop_container(container, 10)
    status = await world.ended(container)
    assert (status.exit_code, world.log(status)) == (7, "bye")
    deaf = await world.container(sandbox, "sh", "-c", "trap '' TERM; while true; do sleep 0.05; done")
    began = asyncio.get_running_loop().time()
    await world.runtime.stop_container(deaf, 0.3)
    assert 0.25 < asyncio.get_running_loop().time() - began < 3
    assert (await world.ended(deaf)).exit_code == 137


async def test_one_that_has_just_begun_is_given_the_time_to_listen(world: World) -> None:
    sandbox = await world.sandbox()
    for _ in range(5):
        script = "n=0; while [ $n -lt 2000 ]; do n=$((n+1)); done; trap 'exit 7' TERM; while true; do sleep 0.05; done"
        container = await world.container(sandbox, "sh", "-c", script)
        await world.runtime.stop_container(container, 20)
        assert (await world.ended(container)).exit_code == 7


async def test_short_containers_are_all_seen_to_end(world: World) -> None:
    sandbox = await world.sandbox()
    containers = await asyncio.gather(*(world.container(sandbox, "sh", "-c", f"exit {n}") for n in range(20)))
    statuses = await asyncio.gather(*(world.ended(c) for c in containers))
    assert [s.exit_code for s in statuses] == list(range(20))


async def test_the_leftovers_of_a_main_process_die_with_it(world: World) -> None:
    sandbox = await world.sandbox(namespaces=cri.Namespaces(pid=cri.NamespaceMode.POD))
    security = cri.SecurityContext(namespaces=cri.Namespaces(pid=cri.NamespaceMode.POD))
    container = await world.container(sandbox, "sh", "-c", "sleep 987 & exit 0", security=security)
    await world.ended(container)
    other = await world.container(sandbox, "sleep", "100", security=security)
    assert "sleep 987" not in await world.sh(other, "ps")


async def test_stats(world: World) -> None:
    sandbox = await world.sandbox()
    container = await world.container(sandbox, "sh", "-c", "dd if=/dev/zero of=/data/f bs=1M count=3; sleep 100")
    await asyncio.sleep(0.3)
    stats = await world.runtime.container_stats(container)
    assert stats.cpu.total > 0
    assert stats.memory.usage > 0
    assert stats.processes.processes >= 1
    assert stats.writable_bytes >= 3 << 20
    pod = await world.runtime.sandbox_stats(sandbox)
    assert pod.pids > stats.processes.processes
    assert pod.memory.usage >= stats.memory.usage
