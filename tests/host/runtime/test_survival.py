"""Our process may go at any time: containers go on, and the next one finds them, or what they came to."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from sampan.runtime import contract as cri
from tests.host.runtime.world import World

pytestmark = pytest.mark.root


async def test_a_new_process_finds_everything(world: World) -> None:
    sandbox = await world.sandbox()
    running = await world.container(sandbox, "sh", "-c", "while true; do echo tick; sleep 0.1; done")
    ended = await world.container(sandbox, "sh", "-c", "exit 6")
    await world.ended(ended)
    created = await world.container(sandbox, "true", start=False)
    before = {c.id: c for c in await world.runtime.list_containers()}
    await world.restart()
    assert {c.id: c for c in await world.runtime.list_containers()} == before
    assert (await world.runtime.sandbox_status(sandbox)).state is cri.SandboxState.READY
    assert await world.sh(running, "echo in") == "in"
    await world.runtime.start_container(created)
    assert (await world.ended(created)).exit_code == 0
    await world.runtime.stop_container(running, 0)
    assert (await world.ended(running)).exit_code == 137


async def test_what_ended_while_nobody_looked_is_known_afterwards(world: World) -> None:
    sandbox = await world.sandbox()
    quick = await world.container(sandbox, "sh", "-c", "sleep 0.3; echo last; exit 8")
    hungry = await world.container(
        sandbox, "sh", "-c", "sleep 0.3; exec tail /dev/zero", resources=cri.Resources(memory_limit=20 << 20)
    )
    pid = (await world.runtime.sandbox_status(sandbox)).pid
    await world.runtime.close()
    await asyncio.sleep(1)
    os.kill(pid, signal.SIGKILL)
    await world.restart_closed()
    status = await world.ended(quick)
    assert (status.exit_code, world.log(status)) == (8, "last")
    assert (await world.ended(hungry)).reason == "OOMKilled"
    assert (await world.runtime.sandbox_status(sandbox)).state is cri.SandboxState.NOT_READY


async def test_a_killed_monitor_does_not_hide_the_end(world: World) -> None:
    container = await world.container(await world.sandbox(), "sleep", "1")
    monitor = Path(f"/proc/{(await world.runtime.container_status(container)).pid}/stat").read_text().split()[3]
    os.kill(int(monitor), signal.SIGKILL)
    status = await world.ended(container)
    assert status.state is cri.ContainerState.EXITED
    assert "not known" in status.message


async def test_removing_while_it_is_being_made(world: World) -> None:
    sandbox = await world.sandbox()
    tasks = [asyncio.create_task(world.container(sandbox, "sleep", "100")) for _ in range(4)]
    await asyncio.sleep(0.02)
    await world.runtime.remove_sandbox(sandbox)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(r, str | cri.RuntimeFault) for r in results), results
    assert await world.runtime.list_containers() == []


async def test_cancelled_calls_leave_nothing(world: World) -> None:
    for delay in (0.0, 0.002, 0.005, 0.01, 0.02, 0.03):
        task = asyncio.create_task(world.sandbox())
        await asyncio.sleep(delay / 4)
        task.cancel()
        await asyncio.wait((task,))
        sandbox = await world.sandbox()
        task2 = asyncio.create_task(world.container(sandbox, "sleep", "100"))
        await asyncio.sleep(delay)
        task2.cancel()
        await asyncio.wait((task2,))
        await world.runtime.remove_sandbox(sandbox)


CRASHER = """
    import asyncio, os, sys, uuid
    sys.path.insert(0, {root!r})
    from pathlib import Path
    from sampan.runtime import contract as cri
    from tests.host.runtime.world import World

    async def main():
        world = World.__new__(World)
        world.__dict__.update({fields!r})
        from sampan.runtime.config import RuntimeConfig
        world.path, world.root = Path(world.path), Path(world.root)
        world.config = RuntimeConfig(**world.config)
        world.runtime = world.new_runtime()
        await world.start()
        async def pod():
            sandbox = await world.sandbox(netns_path={netns!r})
            for _ in range(2):
                await world.container(sandbox, "sleep", "1000")
        await asyncio.gather(*(pod() for _ in range(3)))
        print("done", flush=True)
        await asyncio.sleep(100)
    asyncio.run(main())
"""


async def test_killed_at_any_moment_nothing_is_lost_and_nothing_is_left(world: World) -> None:
    fields = {
        "path": str(world.path), "tag": world.tag, "root": str(world.root), "overlay": True, "netns": [],
        "config": {k: getattr(world.config, k) for k in ("state_dir", "run_dir", "cgroup_root", "oci_runtime")},
    }  # fmt: skip
    root = str(Path(__file__).parents[3])
    script = textwrap.dedent(CRASHER).format(root=root, fields=fields, netns=world.new_netns())
    await world.runtime.close()
    for delay in (0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7, 0.9, 1.5):
        process = subprocess.Popen([sys.executable, "-c", script], cwd=root, stdout=subprocess.DEVNULL)
        await asyncio.sleep(delay)
        process.kill()
        process.wait()
        await world.restart_closed()
        sandboxes = {s.id: s for s in await world.runtime.list_sandboxes()}
        for container in await world.runtime.list_containers():
            assert container.sandbox_id in sandboxes
            assert container.state in (
                cri.ContainerState.CREATED, cri.ContainerState.RUNNING, cri.ContainerState.EXITED
            ), json.dumps(container.reason)  # fmt: skip
            if container.state is cri.ContainerState.RUNNING:
                assert await world.sh(container.id, "echo here") == "here"
        for sandbox in sandboxes.values():
            assert sandbox.state is cri.SandboxState.READY
            await world.runtime.remove_sandbox(sandbox.id)
        await world.settled()
        await world.runtime.close()
        traces = world.traces()
        assert not any(traces.values()), (delay, traces)
    await world.restart_closed()


async def test_after_a_restart_of_the_host_nothing_runs_and_all_is_known(world: World) -> None:
    sandbox = await world.sandbox()
    running = await world.container(sandbox, "sleep", "100")
    created = await world.container(sandbox, "true", start=False)
    await world.settled()
    infra = (await world.runtime.sandbox_status(sandbox)).pid
    record = world.runtime.node.container(running).record
    pids = (infra, record.pid, record.monitor_pid)
    tree = world.runtime.node.tree
    await world.runtime.close()
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    for _ in range(100):
        if tree.remove(world.tag):
            break
        await asyncio.sleep(0.01)
    for mount in world.traces()["mounts"]:
        subprocess.run(["umount", mount], check=True)
    for path in (world.path / "state").glob("*/*/state.json"):
        other_boot = json.loads(path.read_text()) | {"boot_id": "another"}
        # Some process of this boot has the number now: it must be left alone.
        path.write_text(json.dumps(other_boot | {"pid": os.getpid()}))
    await world.restart_closed()
    assert (await world.runtime.sandbox_status(sandbox)).state is cri.SandboxState.NOT_READY
    assert (await world.ended(running)).exit_code == 255
    status = await world.runtime.container_status(created)
    assert (status.state, status.reason) == (cri.ContainerState.EXITED, "StartError")
    assert "restarted" in status.message
