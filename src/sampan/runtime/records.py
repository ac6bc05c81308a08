"""What the runtime contract speaks of: plain records, shaped and named as the CRI names them.

They are data and nothing else (what is measured: measures.py), and importable from `sampan.runtime.contract` as well.
Times are nanoseconds since the epoch; 0 means "not yet".
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import msgspec


class Record(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The base of every record: keyword-only, small on disk."""


# --- what is asked for: sandboxes -----------------------------------------------------------------------------------


class NamespaceMode(StrEnum):
    """Whose namespace a process lives in."""

    POD = "pod"
    CONTAINER = "container"
    NODE = "node"
    TARGET = "target"  # that of another container (`target_id`): how an ephemeral container looks into one


class Namespaces(Record, kw_only=True):
    network: NamespaceMode = NamespaceMode.POD
    pid: NamespaceMode = NamespaceMode.CONTAINER
    ipc: NamespaceMode = NamespaceMode.POD
    target_id: str = ""


class Seccomp(Record, kw_only=True):
    """`RuntimeDefault`, `Unconfined`, or `Localhost` with the profile's absolute path."""

    type: str = "Unconfined"
    localhost_path: str = ""


class DnsConfig(Record, kw_only=True):
    servers: list[str] = []
    searches: list[str] = []
    options: list[str] = []


class HugepageLimit(Record, kw_only=True):
    page_size: str  # "2MB", as the kernel's file names have it
    limit: int


class Resources(Record, kw_only=True):
    """cgroup limits; 0 or empty means "leave it"."""

    cpu_period: int = 0
    cpu_quota: int = 0
    cpu_shares: int = 0
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    memory_limit: int = 0  # bytes
    memory_swap_limit: int = 0  # bytes of memory and swap together; 0: no swap beyond memory_limit
    oom_score_adj: int = 0
    pids_limit: int = 0
    hugepage_limits: list[HugepageLimit] = []
    unified: dict[str, str] = {}  # cgroup v2 files by name, e.g. memory.high


class IdMapping(Record, kw_only=True):
    """Users and groups 0 to `size` - 1 inside are `first` and the following ones of the host."""

    first: int
    size: int = 65536


class SandboxConfig(Record, kw_only=True):
    name: str  # the Pod's name, namespace and uid
    namespace: str
    uid: str
    attempt: int = 0
    hostname: str = ""  # empty: the Pod's name; with host networking the host's
    log_directory: str = ""  # absolute; the containers' log paths are relative to it
    netns_path: str = ""  # the Pod's network namespace, made beforehand; empty only with network NODE
    ids: IdMapping | None = None  # live in the user namespace that owns `netns_path`, whose mapping this is
    dns: DnsConfig | None = None  # None: the host's resolv.conf
    etc_hosts: str | None = None  # what /etc/hosts holds; None: localhost and the hostname (host network: the host's)
    namespaces: Namespaces = msgspec.field(default_factory=Namespaces)
    sysctls: dict[str, str] = {}
    privileged: bool = False  # whether any container of the Pod is
    qos_class: str = "BestEffort"  # Guaranteed, Burstable, BestEffort: decides the Pod's cgroup
    resources: Resources | None = None  # limits of the Pod's cgroup as a whole
    shm_size: int = 64 * 1024 * 1024
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


# --- what is asked for: containers ----------------------------------------------------------------------------------


class Propagation(StrEnum):
    PRIVATE = "private"
    HOST_TO_CONTAINER = "rslave"
    BIDIRECTIONAL = "rshared"


class Mount(Record, kw_only=True):
    """A bind mount; with `tmpfs` a fresh tmpfs of `size` bytes (0: the kernel's default) instead; with `image` the
    files of an image that is on this node."""

    container_path: str
    host_path: str = ""
    image: str = ""  # by name or id
    image_ref: str = ""  # in a status: name@digest where known, as `ContainerStatus.image_ref`
    sub_path: str = ""  # inside either; resolved without ever leaving it, whatever links a container put there
    readonly: bool = False
    recursive_readonly: bool = False
    propagation: Propagation = Propagation.PRIVATE
    tmpfs: bool = False
    size: int = 0


class Device(Record, kw_only=True):
    host_path: str
    container_path: str
    permissions: str = "rwm"


class Capabilities(Record, kw_only=True):
    """Without `CAP_`; `ALL` in either list."""

    add: list[str] = []
    drop: list[str] = []


class SecurityContext(Record, kw_only=True):
    privileged: bool = False
    run_as_user: int | None = None
    run_as_group: int | None = None
    run_as_username: str = ""
    supplemental_groups: list[int] = []
    supplemental_groups_policy: str = "Merge"  # Strict: not the groups of the image's /etc/group
    capabilities: Capabilities = msgspec.field(default_factory=Capabilities)
    no_new_privs: bool = False
    readonly_rootfs: bool = False
    seccomp: Seccomp = msgspec.field(default_factory=Seccomp)
    apparmor: str = ""  # a profile that is loaded
    proc_mount: str = "Default"  # Unmasked: no masked or read-only paths under /proc
    namespaces: Namespaces = msgspec.field(default_factory=Namespaces)


class ContainerConfig(Record, kw_only=True):
    name: str
    attempt: int = 0
    image: str = ""  # as the user wrote it; shown in the status
    image_id: str = ""  # as `Image.id`; what is run
    command: list[str] = []  # replaces the image's Entrypoint (and drops its Cmd)
    args: list[str] = []  # replaces the image's Cmd
    env: dict[str, str] = {}  # over the image's own
    working_dir: str = ""
    mounts: list[Mount] = []
    devices: list[Device] = []
    log_path: str = ""  # relative to the sandbox's log_directory; empty: no log
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False
    stop_signal: str = ""  # empty: the image's, else SIGTERM
    resources: Resources = msgspec.field(default_factory=Resources)
    security: SecurityContext = msgspec.field(default_factory=SecurityContext)
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


# --- what is there --------------------------------------------------------------------------------------------------


class SandboxState(StrEnum):
    READY = "ready"
    NOT_READY = "notready"


class SandboxStatus(Record, kw_only=True):
    id: str
    name: str
    namespace: str
    uid: str
    attempt: int = 0
    state: SandboxState
    created_at: int
    pid: int = 0  # of the infra process while it lives
    netns_path: str = ""
    cgroup_path: str = ""  # relative to the hierarchy's root, e.g. kubepods/burstable/pod<uid>
    log_directory: str = ""
    hostname: str = ""
    namespaces: Namespaces = msgspec.field(default_factory=Namespaces)
    resources: Resources | None = None  # what the Pod's cgroup as a whole was given
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class ContainerState(StrEnum):
    CREATED = "created"
    RUNNING = "running"
    EXITED = "exited"
    UNKNOWN = "unknown"


class ContainerStatus(Record, kw_only=True):
    id: str
    sandbox_id: str
    name: str
    attempt: int = 0
    state: ContainerState
    created_at: int
    started_at: int = 0
    finished_at: int = 0
    exit_code: int = 0  # 128 + N when signal N ended it
    reason: str = ""  # Completed, Error, OOMKilled; StartError, ContainerCannotRun when it never ran
    message: str = ""
    image: str = ""
    image_id: str = ""
    image_ref: str = ""  # name@digest where known, else image_id: what containerStatuses[].imageID shows
    log_path: str = ""  # absolute
    pid: int = 0  # on the host, while it runs
    tty: bool = False
    stdin: bool = False
    stdin_once: bool = False
    stop_signal: str = ""
    user: int | None = None  # the uid, gid and groups it was given
    group: int | None = None
    supplemental_groups: list[int] = []
    resources: Resources = msgspec.field(default_factory=Resources)
    mounts: list[Mount] = []
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class EventKind(StrEnum):
    CREATED = "created"
    STARTED = "started"
    OOM = "oom"  # follows a stop: that container was killed for its memory
    STOPPED = "stopped"
    DELETED = "deleted"
    SANDBOX_READY = "sandbox-ready"
    SANDBOX_DIED = "sandbox-died"
    SANDBOX_DELETED = "sandbox-deleted"


class Event(Record, kw_only=True):
    kind: EventKind
    sandbox_id: str
    pod_uid: str
    container_id: str = ""
    at: int
    exit_code: int = 0


class Condition(Record, kw_only=True):
    type: str  # RuntimeReady
    status: bool
    reason: str = ""
    message: str = ""


class RuntimeVersion(Record, kw_only=True):
    name: str  # "sampan"
    version: str
    oci_runtime: str = ""  # "runc 1.1.5"


class ExecResult(Record, kw_only=True):
    stdout: bytes
    stderr: bytes
    exit_code: int


# --- images ---------------------------------------------------------------------------------------------------------


class AuthConfig(Record, kw_only=True):
    username: str = ""
    password: str = ""
    auth: str = ""  # base64 of username:password, as docker's config.json has it
    server_address: str = ""
    identity_token: str = ""
    registry_token: str = ""


class ImageConfig(Record, kw_only=True):
    """The part of the image's own configuration that a container is made from."""

    entrypoint: list[str] = []
    cmd: list[str] = []
    env: list[str] = []  # NAME=value
    user: str = ""  # user, user:group, uid, uid:gid
    working_dir: str = ""
    stop_signal: str = ""
    volumes: list[str] = []
    exposed_ports: list[str] = []
    labels: dict[str, str] = {}


class Image(Record, kw_only=True):
    id: str  # sha256:… of the image's configuration
    repo_tags: list[str] = []
    repo_digests: list[str] = []
    size: int = 0
    created: str = ""  # RFC 3339, as the configuration has it
    pinned: bool = False
    config: ImageConfig = msgspec.field(default_factory=ImageConfig)


class PullProgress(Record, kw_only=True):
    """One step of a pull; `total` is 0 while unknown."""

    digest: str = ""
    phase: str  # resolving, waiting, downloading, unpacking, done
    current: int = 0
    total: int = 0


ProgressCallback = Callable[[PullProgress], None]


class FsInfo(Record, kw_only=True):
    path: str
    at: int
    used_bytes: int = 0
    used_inodes: int = 0


class Rootfs(Record, kw_only=True):
    """How a container's root is put together.

    With `lower` the runtime mounts an overlay (first entry on top) with `upper` and `work`; all are absolute. Without,
    `path` is a directory that is ready to be used as the root, writable, the container's own.
    """

    path: str = ""
    lower: list[str] = []
    upper: str = ""
    work: str = ""
