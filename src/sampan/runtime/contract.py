"""The runtime contract: what a kubelet asks of whatever runs its containers. Small, and shaped as the CRI.

Two seams are drawn here. `Runtime` is what the kubelet sees (implementations: `sampan.runtime.oci`, and
`sampan.runtime.fake` for tests). `ImageStore` is what the runtime itself stands on (implementations:
`sampan.runtime.images`, and `sampan.runtime.dirstore`, directories as images, for tests).

Barred from here: Kubernetes objects (the kubelet translates), and networks. The Pod's network namespace exists before
`run_sandbox` and comes as a path in `SandboxConfig.netns_path`; whoever made it removes it after `remove_sandbox`.

Rules for all of `Runtime`:
- Stopping and removing are idempotent: what is already gone is no error. Asking about or into what is not there is
  `NotFound`.
- Every method may be called at any time, concurrently, also for the same Pod. None blocks the event loop.
- A cancelled call leaves either the whole thing or nothing that `remove_*` would not remove.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from typing import Protocol

from sampan.runtime.errors import (
    AlreadyExists,
    CreateError,
    ExecTimeout,
    ImageFault,
    ImageInUse,
    ImagePullError,
    InvalidArgument,
    InvalidImageName,
    NotFound,
    NotRunning,
    RegistryUnavailable,
    RuntimeFault,
    StartError,
    Unavailable,
)
from sampan.runtime.measures import (
    ContainerStats,
    CpuStats,
    IoStats,
    MemoryStats,
    NetworkStats,
    ProcessStats,
    SandboxStats,
)
from sampan.runtime.records import (
    AuthConfig,
    Capabilities,
    Condition,
    ContainerConfig,
    ContainerState,
    ContainerStatus,
    Device,
    DnsConfig,
    Event,
    EventKind,
    ExecResult,
    FsInfo,
    HugepageLimit,
    IdMapping,
    Image,
    ImageConfig,
    Mount,
    NamespaceMode,
    Namespaces,
    ProgressCallback,
    Propagation,
    PullProgress,
    Resources,
    Rootfs,
    RuntimeVersion,
    SandboxConfig,
    SandboxState,
    SandboxStatus,
    Seccomp,
    SecurityContext,
)

__all__ = [
    "AlreadyExists", "AuthConfig", "ByteReader", "ByteWriter", "Capabilities", "Condition", "ContainerConfig",
    "ContainerState", "ContainerStats", "ContainerStatus", "CpuStats", "CreateError", "Device", "DnsConfig",
    "Event", "EventKind", "ExecResult", "ExecTimeout", "FsInfo", "HugepageLimit", "IdMapping", "Image", "ImageConfig",
    "ImageFault", "ImageInUse", "ImagePullError", "ImageStore", "InvalidArgument", "InvalidImageName", "IoStats",
    "MemoryStats", "Mount", "NamespaceMode", "Namespaces", "NetworkStats", "NotFound", "NotRunning", "ProcessStats",
    "ProcessStream", "ProgressCallback", "Propagation", "PullProgress", "RegistryUnavailable", "Resources",
    "Rootfs", "Runtime", "RuntimeFault", "RuntimeVersion", "SandboxConfig", "SandboxState", "SandboxStats",
    "SandboxStatus", "Seccomp", "SecurityContext", "StartError", "StreamPair", "Unavailable",
]  # fmt: skip


class ByteReader(Protocol):
    """asyncio's StreamReader is one."""

    async def read(self, n: int = -1) -> bytes:
        """At most n bytes as soon as there are some; b"" at the end. Always give n."""


class ByteWriter(Protocol):
    async def write(self, data: bytes) -> None:
        """Hand bytes on; waits while the other side is slow; silently drops them once it is gone."""

    async def close(self) -> None:
        """No more will come: the other side sees the end of its input."""


class ProcessStream(ABC):
    """A running exec or an attached container, with its three streams."""

    stdin: ByteWriter | None  # None when none was asked for
    stdout: ByteReader
    stderr: ByteReader | None  # None with a terminal: all comes on stdout

    @abstractmethod
    async def resize(self, width: int, height: int) -> None:
        """The user's terminal changed its size."""

    @abstractmethod
    async def wait(self) -> int:
        """The exit code (128 + N for signal N), once the process has ended. An attach answers that of its container."""

    @abstractmethod
    async def close(self) -> None:
        """Let go. An exec's process is killed if it still runs; an attached container goes on. Idempotent."""


class StreamPair:
    """One forwarded connection."""

    def __init__(self, reader: ByteReader, writer: ByteWriter) -> None:
        self.reader = reader
        self.writer = writer


class Runtime(ABC):
    """Runs Pods. `start` first, `close` last; closing stops no container."""

    @abstractmethod
    async def start(self) -> None:
        """Find what an earlier process left, finish or clear half-made things, begin to watch. May be Unavailable."""

    @abstractmethod
    async def close(self) -> None:
        """Stop watching. Containers go on."""

    @abstractmethod
    async def version(self) -> RuntimeVersion: ...

    @abstractmethod
    async def status(self) -> list[Condition]: ...

    # --- sandboxes ---

    @abstractmethod
    async def run_sandbox(self, config: SandboxConfig, runtime_handler: str = "") -> str:
        """Make and start the sandbox; returns its id."""

    @abstractmethod
    async def stop_sandbox(self, sandbox_id: str) -> None:
        """Kill whatever runs in it, the infra process last; the state stays readable."""

    @abstractmethod
    async def remove_sandbox(self, sandbox_id: str) -> None:
        """Stop if need be, remove its containers and every trace but the logs (these are the kubelet's)."""

    @abstractmethod
    async def sandbox_status(self, sandbox_id: str) -> SandboxStatus: ...

    @abstractmethod
    async def list_sandboxes(self, pod_uid: str = "") -> list[SandboxStatus]: ...

    @abstractmethod
    async def update_sandbox_resources(self, sandbox_id: str, resources: Resources) -> None:
        """New limits for the Pod's cgroup as a whole."""

    # --- containers ---

    @abstractmethod
    async def create_container(self, sandbox_id: str, config: ContainerConfig) -> str:
        """Everything short of making its process: root, mounts, user, specification; returns its id. May raise
        CreateError, InvalidArgument. A command that is not there shows in `start_container`, as with containerd."""

    @abstractmethod
    async def start_container(self, container_id: str) -> None:
        """May raise StartError, after which the container is EXITED with reason StartError (exit code 128)."""

    @abstractmethod
    async def stop_container(self, container_id: str, grace: float) -> None:
        """Its stop signal; after `grace` seconds SIGKILL. Returns when it has ended. A second call with a shorter
        grace shortens the first."""

    @abstractmethod
    async def remove_container(self, container_id: str) -> None:
        """Killed if it still runs; leaves nothing but its log."""

    @abstractmethod
    async def container_status(self, container_id: str) -> ContainerStatus: ...

    @abstractmethod
    async def list_containers(self, sandbox_id: str = "") -> list[ContainerStatus]: ...

    @abstractmethod
    async def update_container_resources(self, container_id: str, resources: Resources) -> None: ...

    @abstractmethod
    async def reopen_log(self, container_id: str) -> None:
        """The log file was renamed: write to a new one of the old name."""

    # --- into running things ---

    @abstractmethod
    async def exec_sync(self, container_id: str, argv: list[str], timeout: float = 0) -> ExecResult:
        """Run and collect. Over `timeout` seconds (0: no limit) the process is killed and ExecTimeout raised.
        StartError when there is no such command, or it cannot be run."""

    @abstractmethod
    async def exec(
        self, container_id: str, argv: list[str], *, tty: bool = False, stdin: bool = False
    ) -> ProcessStream:
        """The same with live streams. StartError comes from here or, when it shows late, from the stream's `wait`."""

    @abstractmethod
    async def attach(self, container_id: str, *, stdin: bool = False) -> ProcessStream:
        """The streams of the container's own process. Whether there is a terminal was decided when it was created."""

    @abstractmethod
    async def port_forward(self, sandbox_id: str, port: int) -> StreamPair:
        """Connect to `port` on the loopback inside the sandbox's network (127.0.0.1, then ::1). Raises
        ConnectionRefusedError (OSError) when nothing listens there."""

    # --- what it all costs, and what happens ---

    @abstractmethod
    async def container_stats(self, container_id: str) -> ContainerStats: ...

    @abstractmethod
    async def sandbox_stats(self, sandbox_id: str) -> SandboxStats:
        """The Pod's cgroup as a whole, and each of its containers."""

    @abstractmethod
    def events(self) -> AsyncIterator[Event]:
        """Everything that happens from this call on (also before the first `anext`). Each call is a subscription of its
        own, which ends with `close` or when the iterator is closed."""

    # --- images ---

    @abstractmethod
    async def pull_image(
        self, ref: str, auth: AuthConfig | None = None, progress: ProgressCallback | None = None
    ) -> Image: ...

    @abstractmethod
    async def list_images(self) -> list[Image]: ...

    @abstractmethod
    async def image_status(self, ref: str) -> Image | None:
        """By name, name@digest or id; None when it is not here."""

    @abstractmethod
    async def remove_image(self, ref: str) -> None: ...

    @abstractmethod
    async def image_fs_info(self) -> FsInfo: ...


class ImageStore(ABC):
    """Images on this node: named, stored, and laid out as roots for containers."""

    @abstractmethod
    async def start(self) -> None:
        """Open what is on disk; clear away what an earlier process left half-made."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of everything held."""

    @abstractmethod
    async def pull(
        self, ref: str, auth: AuthConfig | None = None, progress: ProgressCallback | None = None
    ) -> Image:
        """Fetch and unpack; concurrent pulls of one image do the work once. Raises ImageFaults."""

    @abstractmethod
    async def list_images(self) -> list[Image]: ...

    @abstractmethod
    async def status(self, ref: str) -> Image | None:
        """By name (short names too), name@digest or id (also without `sha256:`); None when it is not here."""

    @abstractmethod
    async def remove(self, ref: str) -> None:
        """By name: untag, and drop the image with its last name. By id: drop all. ImageInUse while a rootfs uses it."""

    @abstractmethod
    async def fs_info(self) -> FsInfo: ...

    @abstractmethod
    async def prepare_rootfs(self, image_id: str, container_id: str) -> Rootfs:
        """A writable root for the container from the image. Idempotent per container; survives restarts, also those of
        the host (an overlay's mount is the runtime's, and made anew by it)."""

    @abstractmethod
    async def remove_rootfs(self, container_id: str) -> None:
        """Drop the container's writable layer (already unmounted). Idempotent."""

    @abstractmethod
    async def list_rootfs(self) -> list[str]:
        """The container ids that have one: how the runtime finds leftovers of containers it does not know."""

    @abstractmethod
    async def rootfs_usage(self, container_id: str) -> FsInfo:
        """What the container itself wrote."""
