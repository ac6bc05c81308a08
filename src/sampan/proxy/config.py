"""What `run` wants to know."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path

from sampan.network.contract import PodNetwork
from sampan.proxy.policies.gate import Gate


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsConfig:
    """Cluster DNS. The address must be one of the node (`NetworkConfig.local_addresses`)."""

    address: str = "10.96.0.10"
    port: int = 53
    domain: str = "cluster.local"
    ttl: int = 30
    upstreams: tuple[str, ...] | None = None  # "IP" or "IP:PORT"; default: the nameservers of `resolv_conf`
    resolv_conf: Path = Path("/etc/resolv.conf")
    stub_domains: dict[str, tuple[str, ...]] = field(default_factory=dict)  # domain → servers


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyConfig:
    name: str  # the cluster's, as in NetworkConfig
    node_name: str
    cluster_range: IPv4Network
    service_range: IPv4Network | None  # None: addresses outside it are served too, but unknown ones not refused
    network: PodNetwork | None = None  # told of the other nodes' ranges; None: somebody else makes the routes
    gate: Gate | None = None  # where the kubelet's Pods wait for the policies about them
    dns: DnsConfig | None = field(default_factory=DnsConfig)  # None: somebody else answers
