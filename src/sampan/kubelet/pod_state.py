"""What the runtime knows of one Pod, in the order in which the kubelet asks."""

from collections.abc import Iterable

from msgspec import Struct

from sampan.api.types import core_v1
from sampan.runtime.contract import ContainerState, ContainerStatus, Runtime, SandboxState, SandboxStatus


class PodState(Struct, frozen=True, kw_only=True):
    """Sandboxes and containers of one Pod, the newest first."""

    uid: str
    sandboxes: tuple[SandboxStatus, ...] = ()
    containers: dict[str, tuple[ContainerStatus, ...]] = {}
    ip: str = ""

    @property
    def sandbox(self) -> SandboxStatus | None:
        """The newest sandbox, whether it is ready or not."""
        return self.sandboxes[0] if self.sandboxes else None

    @property
    def ready_sandbox(self) -> SandboxStatus | None:
        newest = self.sandbox
        return newest if newest is not None and newest.state is SandboxState.READY else None

    def latest(self, name: str) -> ContainerStatus | None:
        """The newest container of that name, of whichever sandbox."""
        found = self.containers.get(name)
        return found[0] if found else None

    def active(self, name: str) -> ContainerStatus | None:
        """The newest container of that name in the newest sandbox: what counts for decisions."""
        found, sandbox = self.latest(name), self.sandbox
        return found if found is not None and sandbox is not None and found.sandbox_id == sandbox.id else None

    def running(self) -> list[ContainerStatus]:
        """Everything that runs or may still run."""
        live = (ContainerState.RUNNING, ContainerState.CREATED, ContainerState.UNKNOWN)
        return [c for history in self.containers.values() for c in history if c.state in live]


def arrange(
    uid: str, sandboxes: Iterable[SandboxStatus], containers: Iterable[ContainerStatus], *, ip: str = ""
) -> PodState:
    by_name: dict[str, list[ContainerStatus]] = {}
    for container in containers:
        by_name.setdefault(container.name, []).append(container)
    for history in by_name.values():
        history.sort(key=lambda c: (c.created_at, c.attempt), reverse=True)
    ordered = sorted(sandboxes, key=lambda s: (s.created_at, s.attempt), reverse=True)
    return PodState(uid=uid, sandboxes=tuple(ordered), containers={n: tuple(h) for n, h in by_name.items()}, ip=ip)


async def read_state(runtime: Runtime, uid: str, *, ip: str = "") -> PodState:
    sandboxes = await runtime.list_sandboxes(pod_uid=uid)
    containers = [c for s in sandboxes for c in await runtime.list_containers(sandbox_id=s.id)]
    return arrange(uid, sandboxes, containers, ip=ip)


def pod_key(pod: core_v1.Pod) -> str:
    """`name_namespace(uid)`: how events and messages name a Pod."""
    meta = pod.metadata
    return f"{meta.name}_{meta.namespace}({meta.uid})"


def is_sidecar(container: core_v1.Container) -> bool:
    """An init container that keeps running beside the Pod's own ones."""
    return container.restartPolicy == "Always"


def is_static(pod: core_v1.Pod) -> bool:
    annotations = pod.metadata.annotations or {}
    return annotations.get("kubernetes.io/config.source", "api") != "api"


def is_mirror(pod: core_v1.Pod) -> bool:
    return "kubernetes.io/config.mirror" in (pod.metadata.annotations or {})


def container_path(pod: core_v1.Pod, name: str) -> str:
    """The field path that events of a container carry: `spec.containers{app}`."""
    spec = pod.spec
    if any(c.name == name for c in spec.initContainers or ()):
        return f"spec.initContainers{{{name}}}"
    if any(c.name == name for c in spec.ephemeralContainers or ()):
        return f"spec.ephemeralContainers{{{name}}}"
    return f"spec.containers{{{name}}}"
