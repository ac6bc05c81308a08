"""What an earlier run left: every record is read and compared with what is really there.

Whole things are taken up again, what ended meanwhile is brought to its end, and half-made things are cleared away: no
record, process, mount, cgroup or layer stays that belongs to nothing.
"""

from __future__ import annotations

import asyncio
import os

from sampan.runtime import infra, process, rootfs
from sampan.runtime.containers import Containers
from sampan.runtime.node import Container, Node, Sandbox
from sampan.runtime.sandboxes import Sandboxes
from sampan.runtime.state import ContainerRecord, Phase, SandboxRecord


async def recover(node: Node, sandboxes: Sandboxes, containers: Containers) -> None:
    pods, broken_pods = node.sandbox_shelf.load()
    records, broken = node.container_shelf.load()
    for pod in pods:
        if pod.phase is not Phase.CREATING:
            _take_up_sandbox(node, sandboxes, pod)
    for record in records:
        if record.phase is Phase.CREATING or record.sandbox_id not in node.sandboxes:
            await containers.clear_half_made(record)
        else:
            await _take_up_container(node, containers, record)
    for pod in pods:
        if pod.phase is Phase.CREATING:
            sandboxes.clear_half_made(pod)
    for container_id in broken:
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
    else:
        sandbox.ended.set()


async def _take_up_container(node: Node, containers: Containers, record: ContainerRecord) -> None:
    container = Container(record)
    node.containers[record.id] = container
    rebooted = record.boot_id != node.boot_id
    if rebooted:
        record.pid = record.pid_started = 0
    if record.phase is Phase.STARTING:
        _find_started(node, record)
    if record.phase is Phase.CREATED and rebooted:
        await containers.abandon(container, "the host was restarted before this container was started")
    elif record.phase is Phase.STARTING:
        await containers.abandon(container, "the runtime was restarted while this container was being started")
    elif record.phase is Phase.RUNNING:
        containers.watch(container)
        await asyncio.sleep(0)
    elif record.phase is Phase.EXITED:
        await containers.settle(container)


def _find_started(node: Node, record: ContainerRecord) -> None:
    """It may have got further than we wrote down: it runs when the OCI runtime has let it go."""
    try:
        with open(f"{node.container_shelf.folder(record.id)}/pidfile") as file:
            pid = int(file.read())
    except (OSError, ValueError):
        return
    record.pid, record.pid_started = pid, process.start_time(pid)
    waiting = os.path.exists(f"{node.config.oci_root}/{record.id}/exec.fifo")
    ended = os.path.exists(node.exit_file(record.id))
    if not waiting and (record.pid_started or ended):
        record.phase = Phase.RUNNING
        record.started_at = os.stat(f"{node.container_shelf.folder(record.id)}/pidfile").st_mtime_ns
        node.container_shelf.save(record)


async def _clear_strays(node: Node) -> None:
    """Layers and exit files of containers that are not."""
    for container_id in await node.images.list_rootfs():
        if container_id not in node.containers:
            await node.images.remove_rootfs(container_id)
    for name in os.listdir(node.config.exits):
        if name not in node.containers:
            os.unlink(node.exit_file(name))
