"""Sandboxes: the Pod's namespaces, cgroup, files and infra process; made, watched, stopped, removed."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from weakref import WeakValueDictionary

from sampan.runtime import infra, podfiles, process
from sampan.runtime.containers import Containers
from sampan.runtime.errors import InvalidArgument
from sampan.runtime.images.blocking import blocking
from sampan.runtime.names import new_id
from sampan.runtime.node import Node, Sandbox
from sampan.runtime.records import EventKind, NamespaceMode, Resources, SandboxConfig
from sampan.runtime.state import Phase, SandboxRecord


class Sandboxes:
    def __init__(self, node: Node, containers: Containers) -> None:
        self._node = node
        self._containers = containers
        self._pod_locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def _pod_lock(self, uid: str) -> asyncio.Lock:
        lock = self._pod_locks.get(uid)
        if lock is None:
            self._pod_locks[uid] = lock = asyncio.Lock()
        return lock

    async def run(self, config: SandboxConfig, handler: str) -> str:
        node = self._node
        node.oci(handler)
        _check(config)
        host_network = config.namespaces.network is NamespaceMode.NODE
        path = node.driver.pod(config.qos_class, config.uid)
        sandbox_id = new_id()
        record = SandboxRecord(
            id=sandbox_id, config=config, handler=handler, created_at=node.now(), boot_id=node.boot_id,
            hostname=config.hostname or (socket.gethostname() if host_network else config.name)[:63].rstrip("-."),
            cgroup_path=path, infra_cgroup=node.driver.child(path, sandbox_id),
        )  # fmt: skip
        sandbox = Sandbox(record)
        node.sandboxes[sandbox_id] = sandbox
        try:
            node.sandbox_shelf.save(record)
            await self._make(sandbox)
        except BaseException:
            sandbox.doomed = True
            await self._clear(sandbox)
            raise
        node.emit(EventKind.SANDBOX_READY, sandbox_id)
        return sandbox_id

    async def _make(self, sandbox: Sandbox) -> None:
        node, record, config = self._node, sandbox.record, sandbox.record.config
        folder = node.sandbox_shelf.folder(record.id)
        host_network = config.namespaces.network is NamespaceMode.NODE
        host_ipc = config.namespaces.ipc is NamespaceMode.NODE

        def lay_out() -> None:
            podfiles.make_files(folder, config, record.hostname)
            if not host_ipc:
                podfiles.make_shm(folder, config.shm_size)

        await blocking(lay_out)
        async with self._pod_lock(config.uid):
            await node.driver.make(record.cgroup_path, record.infra_cgroup, config.resources)
        plan = infra.InfraPlan(
            sandbox_id=record.id, root=node.infra_root, netns_path="" if host_network else config.netns_path,
            hostname="" if host_network else record.hostname, new_ipc=not host_ipc,
            new_pid=config.namespaces.pid is NamespaceMode.POD, sysctls=config.sysctls, owned=config.ids is not None,
        )  # fmt: skip
        record.pid = await infra.start_infra(plan)
        record.pid_started = process.start_time(record.pid)
        _lower_oom_score(record.pid, node.lowest_oom_score_adj)
        record.phase = Phase.RUNNING
        node.sandbox_shelf.save(record)
        self.watch(sandbox)
        self.join_cgroup(record)

    def join_cgroup(self, record: SandboxRecord) -> None:
        """In the background: the kernel takes its time for the first move after a pause, and nobody has to wait."""
        self._node.background(
            self._node.driver.join(
                record.cgroup_path, record.infra_cgroup, record.id, record.pid, record.config.resources
            )
        )

    def watch(self, sandbox: Sandbox) -> None:
        """Learn of the infra process's end; also when it has ended already."""
        pidfd = process.open_pidfd(sandbox.record.pid, sandbox.record.pid_started)
        if pidfd is None:
            self._died(sandbox)
        else:
            sandbox.watch = process.Watch(pidfd, lambda: self._died(sandbox))

    def _died(self, sandbox: Sandbox) -> None:
        sandbox.watch = None
        record = sandbox.record
        if record.phase is not Phase.EXITED:
            record.phase = Phase.EXITED
            if record.id in self._node.sandboxes:
                self._node.sandbox_shelf.save(record)
            self._node.emit(EventKind.SANDBOX_DIED, record.id)
        sandbox.ended.set()

    async def stop(self, sandbox_id: str) -> None:
        sandbox = self._node.sandboxes.get(sandbox_id)
        if sandbox is None:
            return
        async with sandbox.lock:
            await self._stop(sandbox)

    async def _stop(self, sandbox: Sandbox) -> None:
        node, record = self._node, sandbox.record
        sandbox.doomed = True
        await asyncio.gather(*(self._containers.stop(c.record.id, 0) for c in node.containers_of(record.id)))
        if record.phase is Phase.RUNNING:
            process.send_signal(record.pid, record.pid_started, signal.SIGKILL)
            await sandbox.ended.wait()
        # Monitors end by themselves once their container has; whatever else is in there has no business being so.
        await self._empty(record.infra_cgroup)
        await blocking(podfiles.drop_shm, node.sandbox_shelf.folder(record.id))

    async def _empty(self, path: str) -> None:
        """Wait for the monitors to end, help those that do not, and remove the cgroup."""
        tree = self._node.tree
        delay = 0.001
        for attempt in range(14):
            if await blocking(tree.remove, path):
                return
            if attempt >= 7:
                tree.kill(path)
            await asyncio.sleep(delay)
            delay = min(delay * 2, 0.5)

    async def remove(self, sandbox_id: str) -> None:
        sandbox = self._node.sandboxes.get(sandbox_id)
        if sandbox is None:
            return
        async with sandbox.lock:
            if sandbox_id not in self._node.sandboxes:
                return
            await self._stop(sandbox)
            await asyncio.gather(
                *(self._containers.remove(c.record.id) for c in self._node.containers_of(sandbox_id))
            )
            await self._clear(sandbox)

    async def _clear(self, sandbox: Sandbox) -> None:
        """All traces, of a whole sandbox or of one that was not finished. Also for those of an earlier run."""
        node, record = self._node, sandbox.record
        if sandbox.watch is not None:
            sandbox.watch.close()
            sandbox.watch = None
        if process.send_signal(record.pid, record.pid_started, signal.SIGKILL):
            await process.ended(record.pid, record.pid_started, 2)
        if record.phase is Phase.CREATING:
            for pid in infra.find_infra(record.id):
                os.kill(pid, signal.SIGKILL)
        record.phase = Phase.EXITED
        sandbox.ended.set()
        node.tree.kill(record.infra_cgroup if self._shares_cgroup(record) else record.cgroup_path)
        await blocking(self._put_away, record.id)
        node.emit(EventKind.SANDBOX_DELETED, record.id)
        node.sandboxes.pop(record.id, None)
        await self._remove_cgroup(record)

    def _put_away(self, sandbox_id: str) -> None:
        podfiles.drop_shm(self._node.sandbox_shelf.folder(sandbox_id))
        self._node.sandbox_shelf.drop(sandbox_id)

    async def _remove_cgroup(self, record: SandboxRecord) -> None:
        async with self._pod_lock(record.config.uid):  # not while the Pod's next sandbox is being laid out in it
            path = record.infra_cgroup if self._shares_cgroup(record) else record.cgroup_path
            await self._empty(path)
            if path == record.cgroup_path:
                await self._node.driver.removed(path)

    def _shares_cgroup(self, record: SandboxRecord) -> bool:
        """Another attempt of the same Pod lives in the same Pod cgroup."""
        return any(
            other.record.cgroup_path == record.cgroup_path and other.record.id != record.id
            for other in self._node.sandboxes.values()
        )

    async def clear_half_made(self, record: SandboxRecord) -> None:
        await self._clear(Sandbox(record))

    async def update(self, sandbox_id: str, resources: Resources) -> None:
        record = self._node.sandbox(sandbox_id).record
        await self._node.driver.limit(record.cgroup_path, resources)
        record.config.resources = resources
        self._node.sandbox_shelf.save(record)


def _check(config: SandboxConfig) -> None:
    host_network = config.namespaces.network is NamespaceMode.NODE
    if not config.uid or "/" in config.uid:
        raise InvalidArgument(f"a Pod's uid cannot be {config.uid!r}")
    if config.qos_class not in ("Guaranteed", "Burstable", "BestEffort"):
        raise InvalidArgument(f"unknown QoS class {config.qos_class!r}")
    if host_network == bool(config.netns_path):
        raise InvalidArgument("a sandbox has either a network namespace (netns_path) or the host's network")
    if config.ids is not None and (host_network or config.namespaces.ipc is NamespaceMode.NODE):
        raise InvalidArgument("a sandbox with a user namespace cannot have the host's network or IPC")
    infra.check_sysctls(
        config.sysctls, host_network=host_network, host_ipc=config.namespaces.ipc is NamespaceMode.NODE
    )


def _lower_oom_score(pid: int, lowest: int) -> None:
    """The infra process is to be the last that goes. Less than we have ourselves needs a capability we may not have."""
    try:
        with open(f"/proc/{pid}/oom_score_adj", "w") as file:
            file.write(str(max(-998, lowest)))
    except OSError:
        pass
