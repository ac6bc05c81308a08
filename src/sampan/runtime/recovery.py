"""What an earlier run left: every record is read and compared with what is really there.

Whole things are taken up again, what ended meanwhile is brought to its end, and half-made things are cleared away: no
record, process, mount, cgroup or layer stays that belongs to nothing.
"""

from __future__ import annotations

import asyncio
import os
import signal

from sampan.runtime import image_mounts, infra, process, rootfs
from sampan.runtime.containers import Containers
from sampan.runtime.node import Container, Node, Sandbox
from sampan.runtime.sandboxes import Sandboxes
from sampan.runtime.state import ContainerRecord, Phase, SandboxRecord


async def recover(node: Node, sandboxes: Sandboxes, containers: Containers) -> None:
    pods, broken_pods = node.sandbox_shelf.load()
    records, broken = node.container_shelf.load()
    monitors = _monitors()
    for pod in pods:
        if pod.phase is not Phase.CREATING:
            _take_up_sandbox(node, sandboxes, pod)
    for record in records:
        if record.phase is Phase.CREATED:
            _find_start(node, record, monitors.get(record.id, []))
        if record.sandbox_id not in node.sandboxes:
            await containers.clear_half_made(record)
        else:
            await _take_up_container(node, containers, record)
    for pod in pods:
        if pod.phase is Phase.CREATING:
            await sandboxes.clear_half_made(pod)
    for container_id in broken:
        rootfs.unbind_openly(node.config.open_roots, container_id)
        rootfs.unmount_below(node.container_shelf.folder(container_id))
        node.container_shelf.drop(container_id)
    for sandbox_id in broken_pods:
        for pid in infra.find_infra(sandbox_id):
            os.kill(pid, 9)
        rootfs.unmount_below(node.sandbox_shelf.folder(sandbox_id))
        node.sandbox_shelf.drop(sandbox_id)
    await _clear_strays(node)


def _take_up_sandbox(node: Node, sandboxes: Sandboxes, record: SandboxRecord) -> None:
    sandbox = Sandbox(record)
    node.sandboxes[record.id] = sandbox
    if record.boot_id != node.boot_id:
        record.pid = record.pid_started = 0  # another boot's numbers mean nothing now
    if record.phase is Phase.RUNNING:
        sandboxes.watch(sandbox)
        if sandbox.record.ready and record.pid not in node.tree.processes(record.infra_cgroup):
            sandboxes.join_cgroup(record)  # we were killed before it had
    else:
        sandbox.ended.set()


async def _take_up_container(node: Node, containers: Containers, record: ContainerRecord) -> None:
    container = Container(record)
    node.containers[record.id] = container
    rebooted = record.boot_id != node.boot_id
    if rebooted:
        record.pid = record.pid_started = record.monitor_pid = record.monitor_started = 0
    if record.phase is Phase.CREATED and rebooted:
        await containers.abandon(container, "the host was restarted before this container was started")
    elif record.phase is Phase.STARTING:
        await containers.abandon(container, "the runtime was restarted while this container was being started")
    elif record.phase is Phase.RUNNING:
        containers.watch(container)
        await asyncio.sleep(0)
    elif record.phase is Phase.EXITED:
        await containers.settle(container)


def _find_start(node: Node, record: ContainerRecord, monitors: list[int]) -> None:
    """A container may have got further than we wrote down. It runs when the OCI runtime has let it go; if it was not
    let go yet, whoever is at it is stopped."""
    folder = node.container_shelf.folder(record.id)
    try:
        with open(f"{folder}/pidfile") as file:
            record.pid = int(file.read())
        record.pid_started = process.start_time(record.pid)
        made = os.stat(f"{folder}/pidfile").st_mtime_ns
    except (OSError, ValueError):
        made = 0
    waiting = os.path.exists(f"{node.config.oci_root}/{record.id}/exec.fifo")
    ended = os.path.exists(node.exit_file(record.id))
    if made and not waiting and (record.pid_started or ended):
        record.phase, record.started_at = Phase.RUNNING, made
        record.monitor_pid = next(iter(monitors), 0)
        record.monitor_started = process.start_time(record.monitor_pid)
        node.container_shelf.save(record)
    elif made or monitors or os.path.exists(f"{node.config.oci_root}/{record.id}"):
        record.phase = Phase.STARTING
        for pid in monitors:
            process.send_signal(pid, process.start_time(pid), signal.SIGKILL)
        node.tree.kill(record.cgroup_path)


def _monitors() -> dict[str, list[int]]:
    """conmon's processes, and the OCI runtime's under way, by the container they are for."""
    found: dict[str, list[int]] = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                argv = file.read().split(b"\0")
        except OSError:
            continue
        for argument in argv:
            if len(argument) == 64:
                found.setdefault(argument.decode(errors="replace"), []).append(int(name))
                break
    return found


async def _clear_strays(node: Node) -> None:
    """Layers and exit files of containers that are not."""
    for root in await node.images.list_rootfs():
        if image_mounts.container_of(root) not in node.containers:
            await node.images.remove_rootfs(root)
    for name in os.listdir(node.config.exits):
        if name not in node.containers:
            os.unlink(node.exit_file(name))
