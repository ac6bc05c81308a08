"""A Runtime in memory, for tests of the rooms above: it keeps the contract and runs nothing.

What a container does is scripted by image or container name, attempt by attempt:

    fake = FakeRuntime()
    fake.add_image("app:1")
    fake.behave("app:1", Behaviour(run_for=0, exit_code=1, logs=["boom"]), Behaviour())  # fails once, then runs on

Tests steer what already runs with `exit`, `kill_sandbox` and `fail_next`, and read `calls`. Time comes from `now` and
`sleep`, which are injected. `logs.py` reads the log files it writes, as it reads conmon's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec

from sampan.runtime import contract as cri
from sampan.runtime.contract import ContainerState, EventKind, SandboxState
from sampan.runtime.eventbus import EventBus
from sampan.runtime.fakeimages import FakeImages
from sampan.runtime.fakestream import FakeStream, MemoryPipe
from sampan.runtime.logline import format_entry
from sampan.runtime.names import new_id

ExecHandler = Callable[[list[str]], cri.ExecResult]
Sleep = Callable[[float], Awaitable[None]]


def _exec_ok(argv: list[str]) -> cri.ExecResult:
    return cri.ExecResult(stdout=b"", stderr=b"", exit_code=0)


class Behaviour(msgspec.Struct, kw_only=True):
    """What a container does. The default: start at once, say nothing, run until it is stopped, heed the stop signal."""

    run_for: float | None = None  # seconds until it exits by itself
    exit_code: int = 0
    oom: bool = False  # ends as OOMKilled, code 137
    logs: list[str] = []  # written to stdout at the start; "stderr:…" goes to stderr
    term_exit_code: int = 143
    ignores_term: bool = False  # only SIGKILL ends it
    create_delay: float = 0
    start_delay: float = 0
    create_error: str = ""
    start_error: str = ""
    exec: ExecHandler = _exec_ok
    exec_delay: float = 0  # how long an exec takes (its timeout is heeded)


class _Container:
    def __init__(self, status: cri.ContainerStatus, config: cri.ContainerConfig, behaviour: Behaviour) -> None:
        self.status = status
        self.config = config
        self.behaviour = behaviour
        self.ended = asyncio.Event()
        self.killed = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self.log_parts = 0


class FakeRuntime(FakeImages):
    """See the module."""

    def __init__(
        self, *, now: Callable[[], int] = time.time_ns, sleep: Sleep = asyncio.sleep, any_image: bool = False
    ) -> None:
        super().__init__(now=now, any_image=any_image)
        self.sleep = sleep
        self.sandboxes: dict[str, cri.SandboxStatus] = {}
        self.sandbox_configs: dict[str, cri.SandboxConfig] = {}
        self.handlers: dict[str, str] = {}  # by sandbox
        self.ready = True
        self.forward: Callable[[str, int], Awaitable[cri.StreamPair]] | None = None
        self._containers: dict[str, _Container] = {}
        self._scripts: dict[str, list[Behaviour]] = {}
        self._bus = EventBus()

    # --- steering ---

    def behave(self, name: str, *behaviours: Behaviour) -> None:
        """Script the containers of that name, or of that image; each new container takes the next, the last stays."""
        self._scripts[name] = list(behaviours)

    def exit(self, container_id: str, exit_code: int = 0, *, oom: bool = False) -> None:
        """The container's process ends now."""
        self._finish(self._container(container_id), 137 if oom else exit_code, oom=oom)

    def kill_sandbox(self, sandbox_id: str) -> None:
        """The infra process dies, as after `kill -9` of it."""
        self._sandbox_dead(sandbox_id)

    def config_of(self, container_id: str) -> cri.ContainerConfig:
        return self._container(container_id).config

    # --- the contract: itself ---

    async def start(self) -> None:
        self._called("start", "")

    async def close(self) -> None:
        self._bus.close()
        for container in self._containers.values():
            if container.task is not None:
                container.task.cancel()

    async def version(self) -> cri.RuntimeVersion:
        return cri.RuntimeVersion(name="sampan", version="fake", oci_runtime="none")

    async def status(self) -> list[cri.Condition]:
        return [cri.Condition(type="RuntimeReady", status=self.ready)]

    # --- sandboxes ---

    async def run_sandbox(self, config: cri.SandboxConfig, runtime_handler: str = "") -> str:
        self._called("run_sandbox", config.name)
        sandbox_id = new_id()
        qos = "" if config.qos_class == "Guaranteed" else config.qos_class.lower() + "/"
        self.sandbox_configs[sandbox_id], self.handlers[sandbox_id] = config, runtime_handler
        self.sandboxes[sandbox_id] = cri.SandboxStatus(
            id=sandbox_id, name=config.name, namespace=config.namespace, uid=config.uid, attempt=config.attempt,
            state=SandboxState.READY, created_at=self.now(), pid=4242, netns_path=config.netns_path,
            cgroup_path=f"kubepods/{qos}pod{config.uid}", log_directory=config.log_directory,
            hostname=config.hostname or config.name, namespaces=config.namespaces, resources=config.resources,
            labels=config.labels, annotations=config.annotations,
        )  # fmt: skip
        self._emit(EventKind.SANDBOX_READY, sandbox_id)
        return sandbox_id

    async def stop_sandbox(self, sandbox_id: str) -> None:
        self._called("stop_sandbox", sandbox_id)
        if sandbox_id in self.sandboxes:
            self._sandbox_dead(sandbox_id)

    async def remove_sandbox(self, sandbox_id: str) -> None:
        self._called("remove_sandbox", sandbox_id)
        if sandbox_id not in self.sandboxes:
            return
        self._sandbox_dead(sandbox_id)
        for container in self._in_sandbox(sandbox_id):
            self._drop(container)
        self._emit(EventKind.SANDBOX_DELETED, sandbox_id)
        del self.sandboxes[sandbox_id], self.sandbox_configs[sandbox_id]

    async def sandbox_status(self, sandbox_id: str) -> cri.SandboxStatus:
        if sandbox_id not in self.sandboxes:
            raise cri.NotFound(f"sandbox {sandbox_id} not found")
        return self.sandboxes[sandbox_id]

    async def list_sandboxes(self, pod_uid: str = "") -> list[cri.SandboxStatus]:
        return [s for s in self.sandboxes.values() if pod_uid in ("", s.uid)]

    async def update_sandbox_resources(self, sandbox_id: str, resources: cri.Resources) -> None:
        self._called("update_sandbox_resources", sandbox_id)
        (await self.sandbox_status(sandbox_id)).resources = resources

    # --- containers ---

    async def create_container(self, sandbox_id: str, config: cri.ContainerConfig) -> str:
        self._called("create_container", config.name)
        if (await self.sandbox_status(sandbox_id)).state is not SandboxState.READY:
            raise cri.CreateError(f"sandbox {sandbox_id} is not running")
        behaviour = self._next_behaviour(config)
        await self._pause(behaviour.create_delay)
        if behaviour.create_error:
            raise cri.CreateError(behaviour.create_error)
        image = await self.image_status(config.image_id or config.image)
        if image is None and not self.any_image:
            raise cri.CreateError(f"image {config.image!r} is not on this node")
        sandbox = self.sandboxes[sandbox_id]
        status = cri.ContainerStatus(
            id=new_id(), sandbox_id=sandbox_id, name=config.name, attempt=config.attempt, state=ContainerState.CREATED,
            created_at=self.now(), image=config.image, image_id=image.id if image else config.image_id,
            image_ref=image.repo_digests[0] if image else config.image_id,
            log_path=str(Path(sandbox.log_directory) / config.log_path) if config.log_path else "", tty=config.tty,
            stdin=config.stdin, stdin_once=config.stdin_once, stop_signal=config.stop_signal or "SIGTERM",
            resources=config.resources, mounts=config.mounts, labels=config.labels, annotations=config.annotations,
        )  # fmt: skip
        self._containers[status.id] = _Container(status, config, behaviour)
        self._emit(EventKind.CREATED, sandbox_id, status.id)
        return status.id

    async def start_container(self, container_id: str) -> None:
        container = self._container(container_id)
        self._called("start_container", container.status.name)
        if container.status.state is not ContainerState.CREATED:
            raise cri.StartError(f"container {container_id} is {container.status.state}")
        await self._pause(container.behaviour.start_delay)
        if container.behaviour.start_error:
            self._finish(container, 128, reason="StartError", message=container.behaviour.start_error)
            raise cri.StartError(container.behaviour.start_error)
        container.status = msgspec.structs.replace(
            container.status, state=ContainerState.RUNNING, started_at=self.now(), pid=4243
        )
        self._emit(EventKind.STARTED, container.status.sandbox_id, container_id)
        for line in container.behaviour.logs:
            self.write_log(container_id, line)
        if container.behaviour.run_for is not None:
            container.task = asyncio.create_task(self._run(container, container.behaviour.run_for))

    async def stop_container(self, container_id: str, grace: float) -> None:
        self._called("stop_container", container_id)
        container = self._containers.get(container_id)
        if container is None or container.status.state is not ContainerState.RUNNING:
            return
        if not container.behaviour.ignores_term and grace > 0:
            self._finish(container, container.behaviour.term_exit_code)
            return
        timer = asyncio.create_task(self._kill_after(container, grace))
        try:
            await container.ended.wait()
        finally:
            timer.cancel()

    async def remove_container(self, container_id: str) -> None:
        self._called("remove_container", container_id)
        container = self._containers.get(container_id)
        if container is not None:
            self._drop(container)

    async def container_status(self, container_id: str) -> cri.ContainerStatus:
        return self._container(container_id).status

    async def list_containers(self, sandbox_id: str = "") -> list[cri.ContainerStatus]:
        return [c.status for c in self._containers.values() if sandbox_id in ("", c.status.sandbox_id)]

    async def update_container_resources(self, container_id: str, resources: cri.Resources) -> None:
        container = self._container(container_id)
        self._called("update_container_resources", container.status.name)
        container.status = msgspec.structs.replace(container.status, resources=resources)

    async def reopen_log(self, container_id: str) -> None:
        self._called("reopen_log", container_id)
        container = self._container(container_id)
        if container.status.log_path:
            self._touch(container.status.log_path)

    # --- into running things ---

    async def exec_sync(self, container_id: str, argv: list[str], timeout: float = 0) -> cri.ExecResult:
        container = self._running(container_id)
        self._called("exec_sync", container.status.name)
        delay = container.behaviour.exec_delay
        if timeout and delay > timeout:
            await self._pause(timeout)
            raise cri.ExecTimeout(f'command timed out: "{" ".join(argv)}" timed out after {timeout:g}s')
        await self._pause(delay)
        return container.behaviour.exec(argv)

    async def exec(
        self, container_id: str, argv: list[str], *, tty: bool = False, stdin: bool = False
    ) -> cri.ProcessStream:
        container = self._running(container_id)
        self._called("exec", container.status.name)
        stream = FakeStream(tty=tty, stdin=stdin)
        stream.finish(container.behaviour.exec(argv))
        return stream

    async def attach(self, container_id: str, *, stdin: bool = False) -> cri.ProcessStream:
        """Never ends by itself before its container; what `stdin` gets is echoed."""
        container = self._running(container_id)
        self._called("attach", container.status.name)
        stream = FakeStream(tty=container.config.tty, stdin=stdin, echo=True)
        stream.follow(container.ended, lambda: container.status.exit_code)
        return stream

    async def port_forward(self, sandbox_id: str, port: int) -> cri.StreamPair:
        """Without a `forward` handler every byte is echoed."""
        self._called("port_forward", sandbox_id)
        if (await self.sandbox_status(sandbox_id)).state is not SandboxState.READY:
            raise cri.NotRunning(f"sandbox {sandbox_id} is not running")
        if self.forward is not None:
            return await self.forward(sandbox_id, port)
        pipe = MemoryPipe()
        return cri.StreamPair(pipe, pipe)

    # --- costs and events ---

    async def container_stats(self, container_id: str) -> cri.ContainerStats:
        container = self._container(container_id)
        running = container.status.state is ContainerState.RUNNING
        return cri.ContainerStats(
            id=container_id, name=container.status.name, sandbox_id=container.status.sandbox_id, at=self.now(),
            running=running,
            started_at=container.status.started_at, log_path=container.status.log_path,
            cpu=cri.CpuStats(total=1_000_000, user=600_000, system=400_000),
            processes=cri.ProcessStats(processes=1, threads=1, open_files=3) if running else cri.ProcessStats(),
            memory=cri.MemoryStats(usage=2_000_000, working_set=1_000_000, rss=500_000) if running
            else cri.MemoryStats(),
        )  # fmt: skip

    async def sandbox_stats(self, sandbox_id: str) -> cri.SandboxStats:
        await self.sandbox_status(sandbox_id)
        containers = [await self.container_stats(c.status.id) for c in self._in_sandbox(sandbox_id)]
        return cri.SandboxStats(
            id=sandbox_id, at=self.now(), containers=containers,
            pids=1 + sum(c.processes.threads for c in containers),
            cpu=cri.CpuStats(total=sum(c.cpu.total for c in containers)),
            network=[cri.NetworkStats(name="eth0", received_bytes=100, sent_bytes=200)],
            memory=cri.MemoryStats(
                usage=sum(c.memory.usage for c in containers),
                working_set=sum(c.memory.working_set for c in containers),
                rss=sum(c.memory.rss for c in containers),
            ),
        )  # fmt: skip

    def events(self) -> AsyncIterator[cri.Event]:
        return self._bus.subscribe()

    # --- inside ---

    def write_log(self, container_id: str, line: str) -> None:
        """The container writes a line; `stderr:…` goes to stderr."""
        path = self._container(container_id).status.log_path
        if not path:
            return
        stream, text = ("stderr", line[7:]) if line.startswith("stderr:") else ("stdout", line)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with Path(path).open("ab") as file:
            file.write(format_entry(self.now(), stream, text.encode()))

    @staticmethod
    def _touch(path: str) -> None:
        Path(path).touch()

    def _container(self, container_id: str) -> _Container:
        if container_id not in self._containers:
            raise cri.NotFound(f"container {container_id} not found")
        return self._containers[container_id]

    def _running(self, container_id: str) -> _Container:
        container = self._container(container_id)
        if container.status.state is not ContainerState.RUNNING:
            raise cri.NotRunning(f"container {container_id} is {container.status.state}")
        return container

    def _in_sandbox(self, sandbox_id: str) -> list[_Container]:
        return [c for c in self._containers.values() if c.status.sandbox_id == sandbox_id]

    def _next_behaviour(self, config: cri.ContainerConfig) -> Behaviour:
        script = self._scripts.get(config.name) or self._scripts.get(config.image) or [Behaviour()]
        return script.pop(0) if len(script) > 1 else script[0]

    async def _pause(self, seconds: float) -> None:
        if seconds:
            await self.sleep(seconds)

    async def _run(self, container: _Container, seconds: float) -> None:
        await self._pause(seconds)
        behaviour = container.behaviour
        self._finish(container, 137 if behaviour.oom else behaviour.exit_code, oom=behaviour.oom)

    async def _kill_after(self, container: _Container, grace: float) -> None:
        await self._pause(grace)
        self._finish(container, 137)

    def _finish(
        self, container: _Container, exit_code: int, *, oom: bool = False, reason: str = "", message: str = ""
    ) -> None:
        if container.status.state is ContainerState.EXITED:
            return
        if not reason:
            reason = "OOMKilled" if oom else "Completed" if exit_code == 0 else "Error"
        container.status = msgspec.structs.replace(
            container.status, state=ContainerState.EXITED, finished_at=self.now(), exit_code=exit_code, reason=reason,
            message=message, pid=0,
        )  # fmt: skip
        container.ended.set()
        self._emit(EventKind.STOPPED, container.status.sandbox_id, container.status.id, exit_code)
        if oom:
            self._emit(EventKind.OOM, container.status.sandbox_id, container.status.id, exit_code)

    def _drop(self, container: _Container) -> None:
        if container.task is not None:
            container.task.cancel()
        if container.status.state is ContainerState.RUNNING:
            self._finish(container, 137)
        if self._containers.pop(container.status.id, None) is not None:
            self._emit(EventKind.DELETED, container.status.sandbox_id, container.status.id)

    def _sandbox_dead(self, sandbox_id: str) -> None:
        for container in self._in_sandbox(sandbox_id):
            if container.status.state is ContainerState.RUNNING:
                self._finish(container, 137)
        if self.sandboxes[sandbox_id].state is SandboxState.READY:
            self.sandboxes[sandbox_id] = msgspec.structs.replace(
                self.sandboxes[sandbox_id], state=SandboxState.NOT_READY, pid=0
            )
            self._emit(EventKind.SANDBOX_DIED, sandbox_id)

    def _emit(self, kind: EventKind, sandbox_id: str, container_id: str = "", exit_code: int = 0) -> None:
        self._bus.publish(
            cri.Event(
                kind=kind, sandbox_id=sandbox_id, pod_uid=self.sandboxes[sandbox_id].uid, container_id=container_id,
                at=self.now(), exit_code=exit_code,
            )
        )
