"""What other rooms may ask of the network of one node: join a workload, part from it, say who is joined.

A workload is known by an `id` chosen by the caller (the kubelet uses the Pod's UID); this room does not know what it
is. `LocalNetwork` (pod_network.py) does it for real on this host, `FakeNetwork` (fake.py) in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path
from typing import Literal, Protocol

L4 = Literal["tcp", "udp", "sctp"]
# Which other nodes are reached through a VXLAN tunnel: those of other networks, all, or none.
Overlay = Literal["auto", "always", "never"]


class NetworkError(Exception):
    """The host refused; the text says what was tried and what the kernel answered.

    NetworkError
    ├── AddressesExhausted   every address of the node's range is leased
    └── HostPortTaken        another workload of this node already has this port of the host
    """


class AddressesExhausted(NetworkError):
    pass


class HostPortTaken(NetworkError):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkConfig:
    """One node's network. Clusters on one host differ in `name` and must not share ranges."""

    name: str
    node_range: IPv4Network  # this node's part of the cluster's range; the first address is the gateway
    cluster_range: IPv4Network  # all workloads of all nodes: never masqueraded
    service_range: IPv4Network | None = None  # virtual addresses; routed so that a host needs no default route for them
    local_addresses: tuple[str, ...] = ()  # further addresses this node answers on (cluster DNS)
    run_dir: Path = field(default=Path())  # namespaces; must not outlive a reboot (default: /run/sampan/NAME)
    state_dir: Path = field(default=Path())  # address leases (default: run_dir)
    mtu: int | None = None  # default: that of the interface with the default route
    overlay: Overlay = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPort:
    """`host_port` of the host (on `host_ip`, or on every address when empty) leads to `port` of the workload."""

    protocol: L4
    host_port: int
    port: int
    host_ip: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdRange:
    """Users and groups 0 to `size` - 1 of a workload are `first` and the following ones of the host."""

    first: int
    size: int = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A workload that is joined: hand `netns_path` to the container runtime."""

    id: str
    netns_path: str
    ip: str
    gateway: str
    mtu: int
    interface: str  # the host's end
    host_ports: tuple[HostPort, ...] = ()


class PodNetwork(Protocol):
    """Every call may be repeated: it ends in the same state and leaves no half-made thing behind when it fails."""

    async def start(self) -> None:
        """Bring up the node's own part and recover. Call once before anything else; safe after a crash or reboot."""

    async def attach(
        self, workload_id: str, *, host_ports: Iterable[HostPort] = (), ids: IdRange | None = None
    ) -> Attachment:
        """A network namespace with loopback, eth0, address and default route. Repeated: the same attachment.

        With `ids` it belongs to a user namespace of its own, made with it, in which those ids are known: whoever is to
        live in it finds that user namespace as the owner of the network namespace."""

    async def detach(self, workload_id: str) -> None:
        """Undo attach wholly; unknown ids are fine."""

    async def get(self, workload_id: str) -> Attachment | None: ...

    async def attached(self) -> list[Attachment]: ...

    async def recover(self) -> list[Attachment]:
        """Drop what is half-made or lost with a reboot, set right what was changed meanwhile; what is left."""

    async def set_peers(self, routes: Mapping[IPv4Network, str]) -> None:
        """Other nodes' ranges and the addresses that lead there: routes and tunnels are made and unmade, and nodes of
        this node's own network see workloads' own addresses."""

    async def teardown(self) -> None:
        """Remove every trace: attachments, devices, routes, rules, leases, and sysctls nobody else needs."""
