"""The way to other nodes' Pods: each Node's range leads to that Node's address."""

from __future__ import annotations

import asyncio
import logging
from ipaddress import IPv4Network

from sampan.api.simulated import is_simulated
from sampan.api.types.core_v1 import Node
from sampan.client.informer import Informer
from sampan.network.contract import NetworkError, PodNetwork
from sampan.proxy.model import is_ipv4

_CHECK_SECONDS = 30.0  # a link that was down took its routes with it
log = logging.getLogger(__name__)


def ways(nodes: list[Node], own: str) -> dict[IPv4Network, str]:
    """Ranges of the other nodes, by the address that leads there. Pure."""
    found: dict[IPv4Network, str] = {}
    for node in nodes:
        if node.metadata.name == own or is_simulated(node.metadata.labels):
            continue
        addresses = node.status.addresses or ()
        internal = next((each.address for each in addresses if each.type == "InternalIP" and is_ipv4(each.address)), "")
        if not internal:
            continue
        for text in node.spec.podCIDRs or ([node.spec.podCIDR] if node.spec.podCIDR else []):
            try:
                found[IPv4Network(text)] = internal
            except ValueError:
                continue  # IPv6, or not a range
    return found


class Routes:
    def __init__(self, nodes: Informer[Node], own: str, network: PodNetwork) -> None:
        self._nodes, self._own, self._network = nodes, own, network
        self._changed = asyncio.Event()
        nodes.add_key_handler(lambda _: self._changed.set())

    async def run(self) -> None:
        """Until cancelled; the routes stay."""
        await self._nodes.wait_for_sync()
        while True:
            self._changed.clear()
            try:
                await self._network.set_peers(ways(self._nodes.store.list(), self._own))
            except NetworkError as error:
                log.error("routes to other nodes: %s", error)
            try:
                async with asyncio.timeout(_CHECK_SECONDS):
                    await self._changed.wait()
            except TimeoutError:
                pass
