"""The seams inside the kubelet: what the Pod worker asks of volumes, environment, hooks, probes and images.

Each has one implementation here and is easily faked in a test.
"""

from collections.abc import Callable
from typing import Protocol

from sampan.api.types import core_v1
from sampan.kubelet.actions import ProbeVerdicts
from sampan.kubelet.container_status import ProbeResults
from sampan.kubelet.pod_state import PodState
from sampan.runtime.contract import Device, Image, Mount, SecurityContext


class Volumes(Protocol):
    async def set_up(self, pod: core_v1.Pod) -> None:
        """Make every volume of the Pod ready; raises MountFault. Cheap when they are ready already."""

    async def mounts(self, pod: core_v1.Pod, container: core_v1.Container, env: dict[str, str]) -> list[Mount]:
        """What the container sees of them (volumeMounts with subPath and propagation); raises ConfigFault."""

    def devices(self, pod: core_v1.Pod, container: core_v1.Container) -> list[Device]:
        """The block volumes that it is to have (volumeDevices); raises ConfigFault."""

    def groups(self, pod: core_v1.Pod) -> list[int]:
        """Those that own the Pod's volumes: its processes are members of them."""

    async def tear_down(self, uid: str) -> None:
        """Unmount and remove all that the Pod had. Idempotent."""

    def watch(self, on_change: Callable[[str], None]) -> None:
        """`on_change(uid)` when a volume that failed may succeed now (a Secret appeared, a claim was bound)."""


class Environment(Protocol):
    async def of(self, pod: core_v1.Pod, container: core_v1.Container, *, pod_ip: str) -> dict[str, str]:
        """env and envFrom resolved, service variables included; raises ConfigFault."""


class Hooks(Protocol):
    async def post_start(self, pod: core_v1.Pod, container: core_v1.Container, container_id: str, pod_ip: str) -> str:
        """Runs the hook; the reason why it failed, or nothing."""

    async def pre_stop(
        self, pod: core_v1.Pod, container: core_v1.Container, container_id: str, pod_ip: str, grace: float
    ) -> str:
        """As above, for at most `grace` seconds."""


class Probes(ProbeVerdicts, ProbeResults, Protocol):
    def observe(self, pod: core_v1.Pod, state: PodState) -> None:
        """Start and stop probing according to what runs now. Idempotent and cheap."""

    def only_readiness(self, uid: str) -> None:
        """The Pod is going away: liveness and startup no longer matter."""

    def forget(self, uid: str) -> None: ...

    def watch(self, on_change: Callable[[str], None]) -> None:
        """`on_change(uid)` whenever a verdict about one of its containers changes."""


class Images(Protocol):
    async def ensure(self, pod: core_v1.Pod, container: core_v1.Container) -> Image:
        """The image, pulled according to the policy; raises ContainerFault (ErrImagePull, ImagePullBackOff, …)."""


class Security(Protocol):
    def of(self, pod: core_v1.Pod, container: core_v1.Container, image: Image) -> SecurityContext:
        """The container's effective security context; raises ConfigFault (runAsNonRoot)."""


class Events(Protocol):
    def normal(self, pod: core_v1.Pod, reason: str, message: str, *, container: str = "") -> None:
        """Record that something happened to the Pod or one of its containers; never waits, never fails."""

    def warning(self, pod: core_v1.Pod, reason: str, message: str, *, container: str = "") -> None: ...

    def forget(self, pod: core_v1.Pod) -> None:
        """The Pod has left the node."""
