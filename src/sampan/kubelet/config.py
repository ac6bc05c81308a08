"""What a kubelet is told when it starts; names and defaults are those of KubeletConfiguration where it has them."""

from pathlib import Path

from msgspec import Struct, field


class EvictionThreshold(Struct, frozen=True, kw_only=True):
    memory_available: int = 100 * 1024 * 1024
    nodefs_available: float = 0.10
    nodefs_enough: int = 2 * 1024**3  # so much is enough, however large the disk
    inodes_free: float = 0.05
    pids_available: float = 0.05  # of what the kernel gives out


class KubeletConfig(Struct, kw_only=True):
    node_name: str
    root_dir: Path  # Pods' volumes, logs, bookkeeping
    log_dir: Path  # one directory a Pod, as /var/log/pods
    pod_manifest_path: Path | None = None  # static Pods
    node_ip: str = "127.0.0.1"
    node_ips: list[str] = field(default_factory=list)
    node_labels: dict[str, str] = field(default_factory=dict)
    register_taints: list[str] = field(default_factory=list)  # key=value:Effect
    provider_id: str = ""
    cluster_name: str = "sampan"
    cluster_dns: list[str] = field(default_factory=lambda: ["10.96.0.10"])
    cluster_domain: str = "cluster.local"
    resolv_conf: Path = Path("/etc/resolv.conf")
    address: str = "0.0.0.0"  # noqa: S104 - the kubelet's own API listens on the node, with client certificates
    port: int = 10250
    tls_cert_file: Path | None = None
    tls_key_file: Path | None = None
    client_ca_file: Path | None = None
    max_pods: int = 110
    container_log_max_size: int = 10 * 1024 * 1024
    container_log_max_files: int = 5
    node_lease_duration_seconds: int = 40
    node_status_report_frequency: float = 300.0
    system_reserved: dict[str, str] = field(default_factory=dict)
    eviction_hard: EvictionThreshold = field(default_factory=EvictionThreshold)
    shutdown_grace_period: float = 0.0  # in all, of a node that goes down; 0: Pods are left as they are
    shutdown_grace_period_critical_pods: float = 0.0  # the part of it that is kept for critical Pods, which go last
    allowed_unsafe_sysctls: list[str] = field(default_factory=list)
    api_server_host: str = ""  # what KUBERNETES_SERVICE_HOST falls back to before the Service is known

    @property
    def secrets_dir(self) -> Path:
        """In memory: see `volumes.filesystems.keep_in_memory`."""
        return self.root_dir / "secrets"
