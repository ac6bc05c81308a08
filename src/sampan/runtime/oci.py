"""The runtime that really runs containers on this host: OCI runtime, conmon, catatonit. It only hands on; what is done
is in `sandboxes.py`, `containers.py`, `execs.py`, `attach.py`, `forward.py`, and what survives us in `state.py`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

from sampan.runtime import attach, execs, forward, host, infra, stats
from sampan.runtime import contract as cri
from sampan.runtime.config import RuntimeConfig
from sampan.runtime.containers import Containers
from sampan.runtime.errors import RuntimeFault, Unavailable
from sampan.runtime.node import Node
from sampan.runtime.recovery import recover
from sampan.runtime.rotate import LogKeeper
from sampan.runtime.sandboxes import Sandboxes
from sampan.version import __version__

_SOCKET_FOLDER_LIMIT = 80  # an address of a socket has at most 107 bytes


class HostRuntime(cri.Runtime):
    """See the contract."""

    def __init__(self, config: RuntimeConfig, images: cri.ImageStore) -> None:
        self._config = config
        self._images = images
        self._node: Node | None = None
        self._sandboxes: Sandboxes
        self._containers: Containers
        self._keeper: asyncio.Task[None] | None = None
        self._oci_version = ""

    @property
    def node(self) -> Node:
        if self._node is None:
            raise RuntimeFault("the runtime is not started")
        return self._node

    # --- itself ---

    async def start(self) -> None:
        config = self._config
        if len(os.fsencode(config.run)) > _SOCKET_FOLDER_LIMIT:
            raise cri.InvalidArgument(f"run_dir {config.run!r} is too long for the sockets in it")
        for path in (config.sandboxes, config.containers, config.exits, config.oci_root, config.run):
            os.makedirs(path, 0o700, exist_ok=True)
        for name in os.listdir(config.run):  # sockets of an earlier process's terminals
            os.unlink(os.path.join(config.run, name))
        found = host.find(config)
        self._oci_version = await host.runtime_version(found.runtimes[""])
        node = Node(config, found, self._images)
        await asyncio.to_thread(infra.install_pause, node.infra_root, found.catatonit)
        await self._images.start()
        self._containers = Containers(node)
        self._sandboxes = Sandboxes(node, self._containers)
        self._containers.listen()
        await recover(node, self._sandboxes, self._containers)
        self._node = node
        if config.log_rotation is not None:
            keeper = LogKeeper(config.log_rotation, self._containers.open_logs)
            self._keeper = asyncio.ensure_future(keeper.run())

    async def close(self) -> None:
        node = self._node
        if node is None:
            return
        self._node = None
        self._containers.close()
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait((self._keeper,))
        watches = [sandbox.watch for sandbox in node.sandboxes.values()]
        watches += [container.watch for container in node.containers.values()]
        for watch in watches:
            if watch is not None:
                watch.close()
        for task in list(node.tasks):
            task.cancel()
        await asyncio.gather(*node.tasks, return_exceptions=True)
        node.bus.close()
        await self._images.close()
        try:
            os.removedirs(self._config.run)  # with what was made above it; not if somebody else uses that
        except OSError:
            pass

    async def version(self) -> cri.RuntimeVersion:
        return cri.RuntimeVersion(name="sampan", version=__version__, oci_runtime=self._oci_version)

    async def status(self) -> list[cri.Condition]:
        try:
            await asyncio.to_thread(host.look, self._config)
        except Unavailable as error:
            return [cri.Condition(type="RuntimeReady", status=False, reason="HostNotReady", message=str(error))]
        return [cri.Condition(type="RuntimeReady", status=True)]

    # --- sandboxes ---

    async def run_sandbox(self, config: cri.SandboxConfig, runtime_handler: str = "") -> str:
        return await self._sandboxes.run(config, runtime_handler)

    async def stop_sandbox(self, sandbox_id: str) -> None:
        await self._sandboxes.stop(sandbox_id)

    async def remove_sandbox(self, sandbox_id: str) -> None:
        await self._sandboxes.remove(sandbox_id)

    async def sandbox_status(self, sandbox_id: str) -> cri.SandboxStatus:
        return self.node.sandbox(sandbox_id).record.status()

    async def list_sandboxes(self, pod_uid: str = "") -> list[cri.SandboxStatus]:
        records = [sandbox.record for sandbox in self.node.sandboxes.values()]
        return [record.status() for record in records if pod_uid in ("", record.config.uid)]

    async def update_sandbox_resources(self, sandbox_id: str, resources: cri.Resources) -> None:
        await self._sandboxes.update(sandbox_id, resources)

    # --- containers ---

    async def create_container(self, sandbox_id: str, config: cri.ContainerConfig) -> str:
        return await self._containers.create(sandbox_id, config)

    async def start_container(self, container_id: str) -> None:
        await self._containers.start(container_id)

    async def stop_container(self, container_id: str, grace: float) -> None:
        await self._containers.stop(container_id, grace)

    async def remove_container(self, container_id: str) -> None:
        await self._containers.remove(container_id)

    async def container_status(self, container_id: str) -> cri.ContainerStatus:
        return self.node.container(container_id).record.status()

    async def list_containers(self, sandbox_id: str = "") -> list[cri.ContainerStatus]:
        records = [container.record for container in self.node.containers.values()]
        return [record.status() for record in records if sandbox_id in ("", record.sandbox_id)]

    async def update_container_resources(self, container_id: str, resources: cri.Resources) -> None:
        await self._containers.update(container_id, resources)

    async def reopen_log(self, container_id: str) -> None:
        self._containers.reopen_log(container_id)

    # --- into running things ---

    async def exec_sync(self, container_id: str, argv: list[str], timeout: float = 0) -> cri.ExecResult:
        return await execs.exec_sync(self.node, container_id, argv, timeout)

    async def exec(
        self, container_id: str, argv: list[str], *, tty: bool = False, stdin: bool = False
    ) -> cri.ProcessStream:
        return await execs.exec_stream(self.node, container_id, argv, tty=tty, stdin=stdin)

    async def attach(self, container_id: str, *, stdin: bool = False) -> cri.ProcessStream:
        return await attach.attach(self.node, container_id, stdin=stdin)

    async def port_forward(self, sandbox_id: str, port: int) -> cri.StreamPair:
        return await forward.port_forward(self.node, sandbox_id, port)

    # --- costs and events ---

    async def container_stats(self, container_id: str) -> cri.ContainerStats:
        return await stats.container_stats(self.node, container_id)

    async def sandbox_stats(self, sandbox_id: str) -> cri.SandboxStats:
        return await stats.sandbox_stats(self.node, sandbox_id)

    def events(self) -> AsyncIterator[cri.Event]:
        return self.node.bus.subscribe()

    # --- images ---

    async def pull_image(
        self, ref: str, auth: cri.AuthConfig | None = None, progress: cri.ProgressCallback | None = None
    ) -> cri.Image:
        return await self._images.pull(ref, auth, progress)

    async def list_images(self) -> list[cri.Image]:
        return await self._images.list_images()

    async def image_status(self, ref: str) -> cri.Image | None:
        return await self._images.status(ref)

    async def remove_image(self, ref: str) -> None:
        await self._images.remove(ref)

    async def image_fs_info(self) -> cri.FsInfo:
        return await self._images.fs_info()
