"""The network in memory, for tests of the rooms above."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network

from .contract import AddressesExhausted, Attachment, HostPort, HostPortTaken, IdRange


class FakeNetwork:
    """Keeps the contract's promises (same id, same attachment; one address never twice) without touching the host."""

    def __init__(self, node_range: str = "10.244.0.0/24", *, fail: Exception | None = None) -> None:
        self.node_range = IPv4Network(node_range)
        self.attachments: dict[str, Attachment] = {}
        self.ids: dict[str, IdRange] = {}
        self.peers: dict[IPv4Network, str] = {}
        self.fail = fail  # raised by the next attach
        self.started = False

    async def start(self) -> None:
        self.started = True

    async def attach(
        self, workload_id: str, *, host_ports: Iterable[HostPort] = (), ids: IdRange | None = None
    ) -> Attachment:
        if self.fail is not None:
            failure, self.fail = self.fail, None
            raise failure
        if workload_id in self.attachments:
            return self.attachments[workload_id]
        wanted = tuple(host_ports)
        self._check_ports(wanted)
        gateway, *rest = self.node_range.hosts()
        taken = {attachment.ip for attachment in self.attachments.values()}
        ip = next((str(address) for address in rest if str(address) not in taken), None)
        if ip is None:
            raise AddressesExhausted(f"no free address in {self.node_range}")
        made = Attachment(
            id=workload_id,
            netns_path=f"/run/sampan/fake/netns/{workload_id}",
            ip=ip,
            gateway=str(gateway),
            mtu=1500,
            interface=f"fake{len(self.attachments)}",
            host_ports=wanted,
        )
        self.attachments[workload_id] = made
        if ids is not None:
            self.ids[workload_id] = ids
        return made

    def _check_ports(self, wanted: tuple[HostPort, ...]) -> None:
        for attachment in self.attachments.values():
            for held in attachment.host_ports:
                for port in wanted:
                    same = (held.protocol, held.host_port) == (port.protocol, port.host_port)
                    if same and ("" in (held.host_ip, port.host_ip) or held.host_ip == port.host_ip):
                        raise HostPortTaken(f"{port.protocol} port {port.host_port} is held by {attachment.id}")

    async def detach(self, workload_id: str) -> None:
        self.attachments.pop(workload_id, None)

    async def get(self, workload_id: str) -> Attachment | None:
        return self.attachments.get(workload_id)

    async def attached(self) -> list[Attachment]:
        return list(self.attachments.values())

    async def recover(self) -> list[Attachment]:
        return list(self.attachments.values())

    async def set_peers(self, routes: Mapping[IPv4Network, str]) -> None:
        self.peers = dict(routes)

    async def teardown(self) -> None:
        self.attachments.clear()
        self.peers.clear()
