"""Containers: created (root, mounts, specification), started under conmon, watched, stopped, removed.

A container's end is learned from conmon's exit file (inotify), and from its process's descriptor in case conmon itself
was killed. Either leads to `_finish`, once.
"""

# ruff: noqa: ASYNC230, ASYNC240 - small files of our own on the local disk: microseconds, less than a thread's errand

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Awaitable, Callable
from contextlib import nullcontext

import msgspec

from sampan.runtime import conmon, idmap, image_mounts, process, rootfs
from sampan.runtime.cgroups import Layout
from sampan.runtime.errors import CreateError, NotFound, NotRunning, RuntimeFault, StartError
from sampan.runtime.images.blocking import blocking
from sampan.runtime.images.shown import shown_digest, shown_name
from sampan.runtime.inotify import Inotify
from sampan.runtime.names import new_id
from sampan.runtime.node import Container, Node, Sandbox
from sampan.runtime.placing import place_and_spec
from sampan.runtime.records import ContainerConfig, EventKind, Image, Resources, Rootfs
from sampan.runtime.signals import settled, signal_number
from sampan.runtime.spec.build import limits
from sampan.runtime.state import ContainerRecord, Phase
from sampan.runtime.syscalls import IN_CLOSE_WRITE, IN_MOVED_TO
from sampan.runtime.words import create_failure, readable

EXIT_FILE_PATIENCE = 10.0  # seconds a living conmon gets to write it after the process is gone
MONITOR_PATIENCE = 2.0  # seconds conmon gets to write its last words into the folder that is about to be removed


class Containers:
    def __init__(self, node: Node) -> None:
        self._node = node
        self._exits: Inotify | None = None

    # --- create ---

    async def create(self, sandbox_id: str, config: ContainerConfig) -> str:
        node = self._node
        sandbox = node.sandbox(sandbox_id)
        if not sandbox.record.ready or sandbox.doomed:
            raise CreateError(f"sandbox {sandbox_id} is not running")
        image = await node.images.status(config.image_id or config.image)
        if image is None:
            raise CreateError(f"image {config.image_id or config.image!r} is not on this node")
        record = ContainerRecord(
            id=new_id(), sandbox_id=sandbox_id, config=config, handler=sandbox.record.handler, created_at=node.now(),
            boot_id=node.boot_id, image_id=image.id, image_name=shown_name(config.image, image),
            image_ref=shown_digest(config.image, image),
            stop_signal=config.stop_signal or image.config.stop_signal or "SIGTERM",
        )  # fmt: skip
        record.cgroup_path = node.driver.child(sandbox.record.cgroup_path, record.id)
        if config.log_path:
            record.log_path = os.path.join(sandbox.record.config.log_directory, config.log_path)
        signal_number(record.stop_signal)
        container = Container(record)
        try:
            node.container_shelf.reserve(record.id)  # a folder without a record: half-made, if we are killed now
            given = await node.images.prepare_rootfs(record.image_id, record.id)
            mounted = await image_mounts.lay_out(node.images, record)
            target = config.security.namespaces.target_id
            target_pid = node.container(target).record.pid if target else 0
            await blocking(self._prepare, container, sandbox, image, given, mounted, target_pid)
            if sandbox.doomed:
                raise CreateError(f"sandbox {sandbox_id} was stopped meanwhile")
            record.phase = Phase.CREATED
            node.container_shelf.save(record)
        except BaseException as error:
            await self._clear(container)
            if isinstance(error, OSError | NotFound):
                raise CreateError(f"cannot create container {config.name!r}: {error}") from error
            raise
        node.containers[record.id] = container
        node.emit(EventKind.CREATED, sandbox_id, record.id)
        return record.id

    def _prepare(
        self, container: Container, sandbox: Sandbox, image: Image, given: Rootfs, mounted: dict[int, Rootfs],
        target_pid: int,
    ) -> None:  # fmt: skip
        """In a thread: mounts take their time when many are made."""
        node, record, pod = self._node, container.record, sandbox.record
        folder, ids = node.folder(container), pod.config.ids
        os.mkdir(f"{folder}/exec", 0o700)
        if record.log_path:
            os.makedirs(os.path.dirname(record.log_path), 0o755, exist_ok=True)
        with idmap.user_namespace(pod.pid) if ids is not None else nullcontext(-1) as userns:
            root = rootfs.mount_rootfs(given, f"{folder}/rootfs", ids, userns)
            if ids is not None:
                root = rootfs.bind_openly(root, node.config.open_roots, record.id)
            image_mounts.mount(record, mounted, f"{folder}/mounts", ids, userns)
            spec, identity = place_and_spec(node, container, sandbox, image.config, root, target_pid, userns)
        record.user, record.group, record.groups = identity.uid, identity.gid, identity.groups
        with open(f"{folder}/config.json", "wb") as file:
            file.write(msgspec.json.encode(spec))

    # --- start ---

    async def start(self, container_id: str) -> None:
        container = self._node.container(container_id)
        async with container.lock:
            record = container.record
            if record.phase is not Phase.CREATED:
                raise StartError(f"container {container_id} is {record.phase}, not created")
            sandbox = self._node.sandbox(record.sandbox_id)
            if not sandbox.record.ready or sandbox.doomed:
                raise StartError(f"sandbox {record.sandbox_id} is not running")
            starting = asyncio.ensure_future(self._start(container, sandbox))
            try:
                await asyncio.shield(starting)
            except BaseException as error:
                await asyncio.wait((starting,))  # conmon cannot be called off half-way; what it makes is removed then
                starting.exception()
                await self._failed_to_start(container, error)
                if isinstance(error, OSError):
                    raise StartError(str(error)) from error
                raise
            self._node.emit(EventKind.STARTED, record.sandbox_id, container_id)
        if os.path.exists(self._node.exit_file(container_id)):
            self._ended(container_id)

    async def _start(self, container: Container, sandbox: Sandbox) -> None:
        node, record = self._node, container.record
        oci, folder = node.oci(record.handler), node.folder(container)
        record.phase = Phase.STARTING  # on disk it is its traces that show this: see recovery.py
        node.tree.prepare_parent(sandbox.record.cgroup_path)
        argv = conmon.command(node.host.conmon, oci, node.config.oci_root, node.config.exits, folder, record)
        starter = conmon.Starter(argv, folder)
        try:
            record.pid = await starter.pid()
        except StartError as error:
            raise StartError(create_failure(oci.name, str(error), _command(folder))) from None
        record.pid_started = process.start_time(record.pid)
        record.monitor_pid = process.parent(record.pid)
        record.monitor_started = process.start_time(record.monitor_pid)
        await conmon.let_go(oci, node.config.oci_root, record.id)
        record.started_at = node.now()
        record.phase = Phase.RUNNING
        node.container_shelf.save(record)
        self.watch(container)
        # In the background: the kernel takes its time for the first move after a pause, and nobody has to wait.
        node.background(
            blocking(node.tree.add, sandbox.record.infra_cgroup, record.monitor_pid, tracking_only=True)
        )

    async def _failed_to_start(self, container: Container, error: BaseException) -> None:
        record = container.record
        record.phase, record.exit_code, record.reason = Phase.EXITED, 128, "StartError"
        record.message = str(error) or type(error).__name__
        record.finished_at = self._node.now()
        await self._release(container)
        self._node.container_shelf.save(record)
        container.ended.set()
        self._node.emit(EventKind.STOPPED, record.sandbox_id, record.id, 128)

    # --- its end ---

    def listen(self) -> None:
        """Hear of exit files from now on."""

        def changed(mask: int, name: str) -> None:
            self._ended(name)

        self._exits = Inotify(self._node.config.exits, IN_MOVED_TO | IN_CLOSE_WRITE, changed)

    def close(self) -> None:
        if self._exits is not None:
            self._exits.close()

    def watch(self, container: Container) -> None:
        """Of a running container: hear of its process's end, also when it ended already."""
        container_id = container.record.id

        def gone() -> None:
            container.watch = None
            if container.finishing is None:
                container.finishing = self._node.background(self._finish_without_news(container))

        pidfd = process.open_pidfd(container.record.pid, container.record.pid_started)
        if pidfd is not None:
            container.watch = process.Watch(pidfd, gone)
        elif os.path.exists(self._node.exit_file(container_id)):
            self._ended(container_id)
        else:
            gone()

    def _ended(self, container_id: str) -> None:
        """Its exit file is there. One that is just being started is looked at again when that is done."""
        container = self._node.containers.get(container_id)
        if container is None or container.record.phase is not Phase.RUNNING:
            return
        if container.finishing is not None:
            container.finishing.cancel()  # it only waits for this file, or is past the point where that matters
        container.finishing = self._node.background(self._finish(container))

    async def _finish_without_news(self, container: Container) -> None:
        """The process is gone, and conmon has not said yet how it ended. If conmon is gone as well, nobody will."""
        record = container.record
        await process.ended(record.monitor_pid, record.monitor_started, EXIT_FILE_PATIENCE)
        await asyncio.shield(self._node.background(self._finish(container)))

    async def _finish(self, container: Container) -> None:
        node, record = self._node, container.record
        if record.phase is not Phase.RUNNING:
            return
        exit_file = node.exit_file(record.id)
        try:
            with open(exit_file) as file:
                record.exit_code = int(file.read() or 255)
            record.finished_at = os.stat(exit_file).st_mtime_ns
        except (OSError, ValueError):
            record.exit_code, record.finished_at = 255, node.now()
            record.message = "the container's monitor was killed: its exit code is not known"
        seen = node.tree.oom_kills(record.cgroup_path) > 0 or os.path.exists(f"{node.folder(container)}/oom")
        oom = seen and record.exit_code != 0
        record.reason = "OOMKilled" if oom else "Completed" if record.exit_code == 0 else "Error"
        record.phase = Phase.EXITED
        node.container_shelf.save(record)
        await self._release(container)
        node.emit(EventKind.STOPPED, record.sandbox_id, record.id, record.exit_code)
        if oom:
            node.emit(EventKind.OOM, record.sandbox_id, record.id, record.exit_code)
        container.ended.set()

    async def _release(self, container: Container) -> None:
        """What only a running container needs: its processes, cgroup, mounts, the OCI runtime's notes."""
        node, record = self._node, container.record
        if container.watch is not None:
            container.watch.close()
            container.watch = None
        if record.pid:
            process.send_signal(record.pid, record.pid_started, signal.SIGKILL)
        delay = 0.001
        while not node.tree.remove(record.cgroup_path) and delay < 2:
            node.tree.kill(record.cgroup_path)  # with a shared PID namespace children may outlive the main process
            await asyncio.sleep(delay)
            delay *= 2
        await blocking(self._put_away, node.folder(container), record.id)

    def _put_away(self, folder: str, container_id: str) -> None:
        """In a thread, as unmounting waits for the kernel's other work."""
        rootfs.unbind_openly(self._node.config.open_roots, container_id)
        if os.path.isdir(f"{folder}/rootfs"):
            rootfs.unmount(f"{folder}/rootfs")
        if os.path.isdir(f"{folder}/mounts"):
            rootfs.unmount_below(f"{folder}/mounts")
        shutil.rmtree(f"{self._node.config.oci_root}/{container_id}", ignore_errors=True)
        try:
            os.unlink(self._node.exit_file(container_id))
        except FileNotFoundError:
            pass

    # --- stop and remove ---

    async def stop(self, container_id: str, grace: float) -> None:
        container = self._node.containers.get(container_id)
        if container is None:
            return
        async with container.lock:  # not in the middle of being started
            record = container.record
        if record.phase is not Phase.RUNNING:
            return
        if grace > 0:
            number = signal_number(record.stop_signal)
            await settled(record.pid, record.pid_started, number)
            process.send_signal(record.pid, record.pid_started, number)
            try:
                async with asyncio.timeout(grace):
                    await container.ended.wait()
                return
            except TimeoutError:
                pass
        process.send_signal(record.pid, record.pid_started, signal.SIGKILL)
        await container.ended.wait()

    async def remove(self, container_id: str) -> None:
        await self.stop(container_id, 0)
        container = self._node.containers.get(container_id)
        if container is None:
            return
        async with container.lock:
            if container_id in self._node.containers:
                await self._clear(container)

    async def _clear(self, container: Container) -> None:
        """All traces but the log, of a whole container or of one that was not finished."""
        node, record = self._node, container.record
        known = node.containers.pop(record.id, None) is not None
        await self._release(container)
        for name in (record.id, *image_mounts.names(record)):
            await node.images.remove_rootfs(name)
        if not await process.ended(record.monitor_pid, record.monitor_started, MONITOR_PATIENCE):
            process.send_signal(record.monitor_pid, record.monitor_started, signal.SIGKILL)
        await blocking(node.container_shelf.drop, record.id)
        if known:
            node.emit(EventKind.DELETED, record.sandbox_id, record.id)

    async def abandon(self, container: Container, why: str) -> None:
        """One of an earlier run that was never let go."""
        await self._failed_to_start(container, StartError(why))

    async def settle(self, container: Container) -> None:
        """One of an earlier run that has ended, perhaps without everything being put away."""
        await self._release(container)
        container.ended.set()

    async def clear_half_made(self, record: ContainerRecord) -> None:
        await self._clear(Container(record))

    # --- change ---

    async def update(self, container_id: str, resources: Resources) -> None:
        container = self._node.container(container_id)
        record, oci = container.record, self._node.oci(container.record.handler)
        if record.phase is Phase.RUNNING:
            wanted = limits(resources, swap_limits=swap_limits(self._node))
            path = f"{self._node.folder(container)}/update.json"
            with open(path, "wb") as file:
                file.write(msgspec.json.encode(wanted))
            code, output = await process.run(
                [oci.path, "--root", self._node.config.oci_root, "update", "--resources", path, record.id]
            )
            if code != 0:
                raise RuntimeFault(f"cannot update container {record.config.name!r}: {readable(output)}")
        record.config = msgspec.structs.replace(record.config, resources=resources)
        self._node.container_shelf.save(record)

    def open_logs(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """The log of each running container, and how to have it opened anew."""

        def reopening(container: Container) -> Callable[[], Awaitable[None]]:
            async def reopen() -> None:
                conmon.reopen_log(self._node.folder(container))

            return reopen

        return {
            container.record.log_path: reopening(container)
            for container in self._node.containers.values()
            if container.record.phase is Phase.RUNNING and container.record.log_path
        }

    def reopen_log(self, container_id: str) -> None:
        container = self._node.container(container_id)
        if container.record.phase is not Phase.RUNNING:
            raise NotRunning(f"container {container_id} is not running")
        conmon.reopen_log(self._node.folder(container))


def _command(folder: str) -> str:
    with open(f"{folder}/config.json", "rb") as file:
        return str(msgspec.json.decode(file.read())["process"]["args"][0])


def swap_limits(node: Node) -> bool:
    """Whether the kernel counts swap (v1 may be without)."""
    if node.host.cgroups.layout is Layout.V2:
        return True
    memory = node.host.cgroups.hierarchies.get("memory", "")
    return os.path.exists(f"{memory}/memory.memsw.limit_in_bytes")
