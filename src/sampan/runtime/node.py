"""What the parts of the runtime share: where things are, what is there, and who is told about changes."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Coroutine
from typing import Any

from sampan.runtime import process
from sampan.runtime.cgroups import CgroupTree
from sampan.runtime.config import RuntimeConfig
from sampan.runtime.contract import ImageStore
from sampan.runtime.drivers import CgroupDriver, Cgroupfs, Systemd
from sampan.runtime.errors import InvalidArgument, NotFound
from sampan.runtime.eventbus import EventBus
from sampan.runtime.host import Host, OciRuntime
from sampan.runtime.records import Event, EventKind
from sampan.runtime.spec.capabilities import own_capabilities
from sampan.runtime.state import ContainerRecord, SandboxRecord, Shelf

log = logging.getLogger(__name__)


class Sandbox:
    """A sandbox's record, and what only this process has of it."""

    def __init__(self, record: SandboxRecord) -> None:
        self.record = record
        self.lock = asyncio.Lock()  # stopping and removing, one at a time
        self.ended = asyncio.Event()
        self.watch: process.Watch | None = None
        self.doomed = False  # being stopped or removed: takes no more containers


class Container:
    """A container's record, and what only this process has of it."""

    def __init__(self, record: ContainerRecord) -> None:
        self.record = record
        self.lock = asyncio.Lock()  # starting and removing, one at a time
        self.ended = asyncio.Event()
        self.watch: process.Watch | None = None
        self.finishing: asyncio.Task[None] | None = None


class Node:
    """One per runtime."""

    def __init__(
        self, config: RuntimeConfig, host: Host, images: ImageStore, now: Callable[[], int] = time.time_ns
    ) -> None:
        self.config = config
        self.host = host
        self.images = images
        self.now = now
        self.tree = CgroupTree(host.cgroups)
        self.driver: CgroupDriver = (
            Systemd(self.tree, config.cgroup_root) if config.cgroup_driver == "systemd"
            else Cgroupfs(self.tree, config.cgroup_root)
        )  # fmt: skip
        self.bus = EventBus()
        self.boot_id = process.boot_id()
        self.capabilities = own_capabilities()
        self.sandboxes: dict[str, Sandbox] = {}
        self.containers: dict[str, Container] = {}
        self.sandbox_shelf = Shelf(config.sandboxes, SandboxRecord)
        self.container_shelf = Shelf(config.containers, ContainerRecord)
        with open("/proc/self/oom_score_adj") as file:
            self.lowest_oom_score_adj = int(file.read())  # lower needs CAP_SYS_RESOURCE
        if "CAP_SYS_RESOURCE" in self.capabilities:
            self.lowest_oom_score_adj = -1000
        self.infra_root = config.path("infra")
        self.tasks: set[asyncio.Task[None]] = set()

    def oci(self, handler: str) -> OciRuntime:
        if handler not in self.host.runtimes:
            known = ", ".join(sorted(filter(None, self.host.runtimes)))
            raise InvalidArgument(f"no runtime for {handler!r} is configured (there is: {known})")
        return self.host.runtimes[handler]

    def sandbox(self, sandbox_id: str) -> Sandbox:
        if sandbox_id not in self.sandboxes:
            raise NotFound(f"sandbox {sandbox_id} not found")
        return self.sandboxes[sandbox_id]

    def container(self, container_id: str) -> Container:
        if container_id not in self.containers:
            raise NotFound(f"container {container_id} not found")
        return self.containers[container_id]

    def containers_of(self, sandbox_id: str) -> list[Container]:
        return [c for c in self.containers.values() if c.record.sandbox_id == sandbox_id]

    def folder(self, container: Container) -> str:
        return self.container_shelf.folder(container.record.id)

    def exit_file(self, container_id: str) -> str:
        return os.path.join(self.config.exits, container_id)

    def emit(self, kind: EventKind, sandbox_id: str, container_id: str = "", exit_code: int = 0) -> None:
        sandbox = self.sandboxes.get(sandbox_id)
        self.bus.publish(
            Event(
                kind=kind, sandbox_id=sandbox_id, pod_uid=sandbox.record.config.uid if sandbox else "",
                container_id=container_id, at=self.now(), exit_code=exit_code,
            )
        )

    def background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Done when it is done: nobody waits for it, or only some do."""
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s", error, exc_info=error)
