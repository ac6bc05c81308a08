"""Carries out a plan: stops what has to go, makes the sandbox, starts containers. Decides nothing.

What could not be started is answered as a `Waiting` by container name, with the time after which to try again.
"""

import asyncio
import logging
from pathlib import Path

from msgspec import Struct, field

from sampan.api.types import core_v1
from sampan.client.clock import Clock
from sampan.kubelet.actions import Plan
from sampan.kubelet.backoff import Backoff
from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.container_config import container_config
from sampan.kubelet.container_status import Waiting
from sampan.kubelet.errors import ContainerFault, SandboxFault
from sampan.kubelet.objects import Missing
from sampan.kubelet.pod_state import PodState, pod_key
from sampan.kubelet.runtime_classes import RuntimeClasses
from sampan.kubelet.sandbox_config import host_ports, log_directory, sandbox_config
from sampan.kubelet.seams import Environment, Events, Hooks, Images, Security, Volumes
from sampan.kubelet.stopper import Stopper
from sampan.kubelet.user_ids import SIZE, NoMoreUsers, UserIds
from sampan.network.contract import IdRange, NetworkError, PodNetwork
from sampan.runtime.contract import (
    ContainerState,
    ContainerStatus,
    CreateError,
    IdMapping,
    Mount,
    NamespaceMode,
    Namespaces,
    Runtime,
    RuntimeFault,
    StartError,
)

log = logging.getLogger(__name__)

LONG_RUN = 600.0  # seconds after which a crash is the first of a new row
RETRY = 10.0  # a container that could not be started is tried again after this


class Outcome(Struct, kw_only=True):
    """What became of a plan."""

    waiting: dict[str, Waiting] = field(default_factory=dict)
    retry_after: float | None = None
    ip: str = ""

    def retry(self, seconds: float) -> None:
        self.retry_after = seconds if self.retry_after is None else min(self.retry_after, seconds)


class Starter:
    def __init__(
        self,
        *,
        config: KubeletConfig,
        runtime: Runtime,
        network: PodNetwork,
        volumes: Volumes,
        environment: Environment,
        images: Images,
        security: Security,
        hooks: Hooks,
        events: Events,
        stopper: Stopper,
        runtime_classes: RuntimeClasses,
        clock: Clock,
        node_memory: int,
    ) -> None:
        self._config = config
        self._runtime = runtime
        self._network = network
        self._volumes = volumes
        self._environment = environment
        self._images = images
        self._security = security
        self._hooks = hooks
        self._events = events
        self._stopper = stopper
        self._runtime_classes = runtime_classes
        self._node_memory = node_memory
        self._user_ids = UserIds(config.root_dir / "user-ids")
        self.backoff = Backoff(clock)

    def forget(self, uid: str) -> None:
        """Nothing of the Pod will be started any more."""
        self.backoff.forget(f"{uid}/")
        self._user_ids.release(uid)

    async def carry_out(self, pod: core_v1.Pod, plan: Plan, state: PodState) -> Outcome:
        outcome = Outcome(ip=state.ip)
        if plan.kill_pod:
            if plan.make_sandbox and not plan.at_once:
                self._events.normal(pod, "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.")
            await self._stopper.stop_pod(pod, state, grace=0.0 if plan.at_once else None)
        elif plan.kill:
            kills = [self._stopper.stop_container(pod, state, cid, kill) for cid, kill in plan.kill.items()]
            await asyncio.gather(*kills)
        sandbox_id = state.ready_sandbox.id if state.ready_sandbox is not None else ""
        if plan.make_sandbox:
            sandbox_id, outcome.ip = await self._make_sandbox(pod, plan.attempt)
        await self._start_all(pod, plan, state, sandbox_id, outcome)
        return outcome

    async def _make_sandbox(self, pod: core_v1.Pod, attempt: int) -> tuple[str, str]:
        uid = pod.metadata.uid or ""
        try:
            netns, ip = "", ""
            ids = self._user_ids.give(uid) if pod.spec.hostUsers is False else 0
            if not pod.spec.hostNetwork:
                owned = IdRange(first=ids, size=SIZE) if ids else None
                attachment = await self._network.attach(uid, host_ports=host_ports(pod), ids=owned)
                netns, ip = attachment.netns_path, attachment.ip
            config = sandbox_config(
                pod,
                self._config,
                attempt=attempt,
                netns_path=netns,
                ip=ip,
                host_resolv_conf=_read(self._config.resolv_conf),
                host_etc_hosts=_read(Path("/etc/hosts")) if pod.spec.hostNetwork else "",
                ids=IdMapping(first=ids, size=SIZE) if ids else None,
            )
            log_directory(self._config, pod).mkdir(parents=True, exist_ok=True)
            return await self._runtime.run_sandbox(config, await self._runtime_classes.handler(pod)), ip
        except (RuntimeFault, NetworkError, NoMoreUsers, Missing, OSError) as error:
            self._events.warning(pod, "FailedCreatePodSandBox", f"Failed to create pod sandbox: {error}")
            raise SandboxFault(str(error)) from error

    async def _start_all(
        self, pod: core_v1.Pod, plan: Plan, state: PodState, sandbox_id: str, outcome: Outcome
    ) -> None:
        spec = pod.spec
        by_name = {c.name: c for c in [*(spec.initContainers or ()), *spec.containers]}
        for debugger in spec.ephemeralContainers or ():
            by_name[debugger.name] = as_container(debugger)
        for name in [*plan.start_ephemeral, *plan.start_init, *plan.start]:
            container, last = by_name[name], state.latest(name)
            try:
                self._hold_back(pod, container, state.containers.get(name, ()))
                await self._start(pod, container, last, sandbox_id, outcome.ip, _target(pod, name, state))
            except ContainerFault as fault:
                outcome.waiting[name] = Waiting(fault.reason, fault.message)
                outcome.retry(fault.retry_after if fault.retry_after is not None else RETRY)

    def _hold_back(self, pod: core_v1.Pod, container: core_v1.Container, history: tuple[ContainerStatus, ...]) -> None:
        """Raises while the container's crashes are too fresh to start it again. One that was stopped for its probes a
        moment ago counts from the end of the one before it."""
        last = next((c for c in history if c.state is ContainerState.EXITED), None)
        if last is None:
            return
        key = f"{pod.metadata.uid}/{container.name}/{container.image}"
        ended = last.finished_at / 1e9
        if last.finished_at - last.started_at < LONG_RUN * 1e9:
            self.backoff.recall(key, failures=last.attempt)
        remaining = self.backoff.remaining(key, ended)
        if remaining > 0:
            delay = go_duration(self.backoff.delay(key))
            self._events.warning(
                pod,
                "BackOff",
                f"Back-off restarting failed container {container.name} in pod {pod_key(pod)}",
                container=container.name,
            )
            message = f"back-off {delay} restarting failed container={container.name} pod={pod_key(pod)}"
            raise ContainerFault("CrashLoopBackOff", message, retry_after=min(remaining, RETRY))
        self.backoff.failed(key, ended)

    async def _start(
        self,
        pod: core_v1.Pod,
        container: core_v1.Container,
        last: ContainerStatus | None,
        sandbox_id: str,
        ip: str,
        target: str,
    ) -> None:
        image = await self._images.ensure(pod, container)
        for mounted in images_of_volumes(pod, container):
            await self._images.ensure(pod, mounted)
        attempt = _next_attempt(pod, container, last)
        try:
            env = await self._environment.of(pod, container, pod_ip=ip)
            mounts = await self._volumes.mounts(pod, container, env)
            mounts.append(self._termination_message(pod, container, attempt))
            security = self._security.of(pod, container, image)
            security.supplemental_groups += self._volumes.groups(pod)
            if target:
                own = security.namespaces
                security.namespaces = Namespaces(
                    network=own.network, pid=NamespaceMode.TARGET, ipc=own.ipc, target_id=target
                )
            config = container_config(
                pod,
                container,
                attempt=attempt,
                image=image,
                env=env,
                mounts=mounts,
                devices=self._volumes.devices(pod, container),
                security=security,
                node_memory=self._node_memory,
            )
            container_id = await self._runtime.create_container(sandbox_id, config)
        except ContainerFault as fault:
            self._events.warning(pod, "Failed", f"Error: {fault.message}", container=container.name)
            raise
        except (RuntimeFault, OSError) as error:
            self._events.warning(pod, "Failed", f"Error: {error}", container=container.name)
            reason = (
                "CreateContainerError" if isinstance(error, CreateError | OSError) else "CreateContainerConfigError"
            )
            raise ContainerFault(reason, str(error)) from error
        self._events.normal(pod, "Created", "Container created", container=container.name)
        try:
            await self._runtime.start_container(container_id)
        except StartError as error:
            self._events.warning(pod, "Failed", f"Error: {error}", container=container.name)
            raise ContainerFault("RunContainerError", str(error), retry_after=0.0) from error
        self._events.normal(pod, "Started", "Container started", container=container.name)
        await self._post_start(pod, container, container_id, ip)

    async def _post_start(self, pod: core_v1.Pod, container: core_v1.Container, container_id: str, ip: str) -> None:
        if container.lifecycle is None or container.lifecycle.postStart is None:
            return
        failure = await self._hooks.post_start(pod, container, container_id, ip)
        if not failure:
            return
        log.info("post-start hook of %s in %s failed: %s", container.name, pod_key(pod), failure)
        self._events.warning(pod, "FailedPostStartHook", "PostStartHook failed", container=container.name)
        self._events.normal(pod, "Killing", "FailedPostStartHook", container=container.name)
        await self._runtime.stop_container(container_id, pod.spec.terminationGracePeriodSeconds or 0)
        raise ContainerFault("PostStartHookError", failure, retry_after=0.0)

    def _termination_message(self, pod: core_v1.Pod, container: core_v1.Container, attempt: int) -> Mount:
        path = termination_message_file(self._config, pod, container.name, attempt)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
        path.chmod(0o666)
        inside = container.terminationMessagePath or "/dev/termination-log"
        return Mount(container_path=inside, host_path=str(path))


def as_container(debugger: core_v1.EphemeralContainer) -> core_v1.Container:
    """An ephemeral container runs as any other; it only cannot have ports, probes or a second life."""
    shared = {f: getattr(debugger, f) for f in core_v1.Container.__struct_fields__ if hasattr(debugger, f)}
    shared["restartPolicy"] = "Never"
    return core_v1.Container(**shared)


def images_of_volumes(pod: core_v1.Pod, container: core_v1.Container) -> list[core_v1.Container]:
    """What the container mounts of other images, each as something that wants this image."""
    mounted = {mount.name for mount in container.volumeMounts or ()}
    return [
        core_v1.Container(image=volume.image.reference, imagePullPolicy=volume.image.pullPolicy)
        for volume in pod.spec.volumes or ()
        if volume.image is not None and volume.name in mounted
    ]


def _target(pod: core_v1.Pod, name: str, state: PodState) -> str:
    """The container whose processes an ephemeral one is to see."""
    wanted = next((e.targetContainerName for e in pod.spec.ephemeralContainers or () if e.name == name), None)
    if not wanted:
        return ""
    found = state.active(wanted)
    if found is None:
        said = f'unable to find target container "{wanted}"'
        raise ContainerFault("CreateContainerError", said)
    return found.id


def termination_message_file(config: KubeletConfig, pod: core_v1.Pod, name: str, attempt: int) -> Path:
    return config.root_dir / "pods" / str(pod.metadata.uid) / "containers" / name / f"{attempt}.message"


def go_duration(seconds: float) -> str:
    """`10s`, `1m20s`, `5m0s`: whole seconds as Go prints them."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def _next_attempt(pod: core_v1.Pod, container: core_v1.Container, last: ContainerStatus | None) -> int:
    if last is not None:
        return last.attempt + 1
    listed = [*(pod.status.initContainerStatuses or ()), *(pod.status.containerStatuses or ())]
    known = next((s for s in listed if s.name == container.name), None)
    return known.restartCount + 1 if known is not None and known.containerID else 0


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
