"""Holds a Pod's start back until the policies about it are in force: no container sends a packet before.

The kubelet attaches a Pod to the network as ever (`PolicedNetwork`), and does not see the gate behind it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv4Network

from sampan.network.contract import Attachment, HostPort, IdRange, PodNetwork

_PATIENCE = 2.0  # a Pod the API server does not tell us of (a static one, while it is away) is not kept from starting
log = logging.getLogger(__name__)


class Gate:
    """Where the network says who was given which address, and the enforcer says how far it is."""

    def __init__(self, *, patience: float = _PATIENCE) -> None:
        self.addresses: dict[str, str] = {}  # by workload; those of this node that are attached
        self.on_change: Callable[[str], None] = lambda _: None  # told of a workload whose address is new, or gone
        self._patience = patience
        self._is_open: Callable[[str], bool] | None = None
        self._moved = asyncio.Event()

    def tell(self, is_open: Callable[[str], bool]) -> None:
        """What the answer for each workload is from now on."""
        self._is_open = is_open
        self.look_again()

    def look_again(self) -> None:
        """The answer for somebody who waits may be another one now."""
        self._moved.set()
        self._moved = asyncio.Event()

    async def admit(self, workload_id: str, ip: str) -> None:
        if self.addresses.get(workload_id) != ip:
            self.addresses[workload_id] = ip
            self.on_change(workload_id)
        try:
            async with asyncio.timeout(self._patience):
                while self._is_open is None or not self._is_open(workload_id):
                    await self._moved.wait()
        except TimeoutError:
            log.warning("workload %s starts before the policies about it are known", workload_id)
            if self._is_open is None:  # nobody may be there to tell: the next one is not to wait as long
                self._is_open = lambda _: True

    def part(self, workload_id: str) -> None:
        if self.addresses.pop(workload_id, None) is not None:
            self.on_change(workload_id)


class PolicedNetwork:
    """A `PodNetwork` whose attachments have passed the gate."""

    def __init__(self, network: PodNetwork, gate: Gate) -> None:
        self._network = network
        self._gate = gate

    async def attach(
        self, workload_id: str, *, host_ports: Iterable[HostPort] = (), ids: IdRange | None = None
    ) -> Attachment:
        made = await self._network.attach(workload_id, host_ports=host_ports, ids=ids)
        await self._gate.admit(workload_id, made.ip)
        return made

    async def detach(self, workload_id: str) -> None:
        await self._network.detach(workload_id)
        self._gate.part(workload_id)

    async def start(self) -> None:
        await self._network.start()

    async def get(self, workload_id: str) -> Attachment | None:
        return await self._network.get(workload_id)

    async def attached(self) -> list[Attachment]:
        return await self._network.attached()

    async def recover(self) -> list[Attachment]:
        return await self._network.recover()

    async def set_peers(self, routes: Mapping[IPv4Network, str]) -> None:
        await self._network.set_peers(routes)

    async def teardown(self) -> None:
        await self._network.teardown()
