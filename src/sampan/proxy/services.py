"""Keeps the node's rules in step with Services and EndpointSlices.

Events only mark a Service as changed. One loop takes all that are marked, decides (model, render), and commits the
difference in one transaction; what is marked meanwhile waits for the next turn, so a storm of events costs few commits.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping

from sampan.api.types.core_v1 import Service
from sampan.api.types.discovery_v1 import EndpointSlice
from sampan.client.clock import Clock, RealClock
from sampan.client.codec import key_of
from sampan.client.informer import Informer
from sampan.network.contract import NetworkError
from sampan.proxy.config import ProxyConfig
from sampan.proxy.fragment import Fragment
from sampan.proxy.health_ports import HealthPorts, health_of
from sampan.proxy.kernel import Kernel
from sampan.proxy.model import SERVICE_NAME, Backend, ServicePort, service_ports
from sampan.proxy.render import build, fragment, table_name
from sampan.proxy.stale import stale_flows
from sampan.proxy.table import FragmentTable, Key
from sampan.proxy.writer import TableWriter

BY_SERVICE = "by-service"
_CHECK_SECONDS = 30.0
_PER_TURN = 50
log = logging.getLogger(__name__)


def service_of(endpoint_slice: EndpointSlice) -> list[str]:
    """The index: slices by the key of their Service."""
    name = (endpoint_slice.metadata.labels or {}).get(SERVICE_NAME)
    return [f"{endpoint_slice.metadata.namespace}/{name}"] if name else []


class ServiceProxy:
    def __init__(
        self,
        config: ProxyConfig,
        services: Informer[Service],
        slices: Informer[EndpointSlice],
        *,
        kernel: Kernel,
        dns_port: int = 0,
        clock: Clock | None = None,
    ) -> None:
        """`dns_port`: where this node's own DNS listens on its address."""
        self._config = config
        self._dns_port = dns_port
        self._zone = ""
        self._services = services
        self._slices = slices
        self._kernel = kernel
        empty = functools.partial(build, cluster_range=config.cluster_range, service_range=config.service_range)
        table = FragmentTable(table_name(config.name), empty)
        self._writer = TableWriter(table, kernel, clock or RealClock())
        self._known: dict[str, list[ServicePort]] = {}
        self._health = HealthPorts()
        self._dirty: set[str] = set()
        self._wake = asyncio.Event()
        self.synced = asyncio.Event()  # the rules in force are those of the last event seen
        services.add_key_handler(self._mark)
        slices.add_handler(
            on_add=self._mark_slice, on_update=lambda old, new: self._mark_slice(old, new), on_delete=self._mark_slice
        )

    def _mark(self, key: str) -> None:
        self._dirty.add(key)
        self.synced.clear()
        self._wake.set()

    def _mark_slice(self, *versions: EndpointSlice) -> None:
        for version in versions:
            for key in service_of(version):
                self._mark(key)

    def set_zone(self, zone: str) -> None:
        """Of this node: Services may prefer endpoints of the same one."""
        if zone != self._zone:
            self._zone = zone
            for service in self._services.store:
                self._mark(key_of(service))

    async def run(self) -> None:
        """Until cancelled; the rules stay."""
        try:
            await self._follow()
        finally:
            self._health.close()

    async def _follow(self) -> None:
        await self._services.wait_for_sync()
        await self._slices.wait_for_sync()
        await self._step({key_of(service) for service in self._services.store}, self._writer.replace)
        while True:
            try:
                async with asyncio.timeout(_CHECK_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                await self._writer.mend()
                continue
            self._wake.clear()
            await self._step(set(), self._writer.change)

    async def _step(
        self, keys: set[str], write: Callable[[Mapping[Key, Fragment | None]], Awaitable[None]]
    ) -> None:
        keys |= self._dirty
        self._dirty = set()
        before = {key: self._known.get(key, []) for key in keys}
        after: dict[str, list[ServicePort]] = {}
        for count, key in enumerate(keys, 1):
            after[key] = self._decide(key)
            if count % _PER_TURN == 0:
                await asyncio.sleep(0)
        wanted = self._fragments(before, after)
        self._remember(after)
        await write(wanted)
        await self._forget(before, after)
        for key, ports in after.items():
            await self._health.tell(key, health_of(self._services.store.by_key(key), ports))
        if not self._dirty:
            self.synced.set()

    def _decide(self, key: str) -> list[ServicePort]:
        service = self._services.store.by_key(key)
        if service is None:
            return []
        if (dns := self._config.dns) is not None and service.spec.clusterIP == dns.address:
            return self._to_own_dns(service, dns.address)
        slices = self._slices.store.by_index(BY_SERVICE, key)
        return service_ports(service, slices, self._config.node_name, self._zone)

    def _to_own_dns(self, service: Service, address: str) -> list[ServicePort]:
        """The address is the node's own and needs no rules, but for a server that had to take another port."""
        here = (Backend(address, self._dns_port),)
        ports = service_ports(service, [], self._config.node_name)
        return [dataclasses.replace(port, anywhere=here, here=here) for port in ports if port.port != self._dns_port]

    def _fragments(
        self, before: dict[str, list[ServicePort]], after: dict[str, list[ServicePort]]
    ) -> dict[Key, Fragment | None]:
        wanted: dict[Key, Fragment | None] = {}
        for key, ports in after.items():
            if ports == before[key]:
                continue
            for port in before[key]:
                wanted[_key(port)] = None
            for port in ports:
                wanted[_key(port)] = fragment(port, self._config.cluster_range)
        return wanted

    def _remember(self, after: dict[str, list[ServicePort]]) -> None:
        for key, ports in after.items():
            if ports:
                self._known[key] = ports
            else:
                self._known.pop(key, None)

    async def _forget(self, before: dict[str, list[ServicePort]], after: dict[str, list[ServicePort]]) -> None:
        stale = stale_flows(_flat(before.values()), _flat(after.values()))
        if stale is not None:
            try:
                await self._kernel.forget_udp(stale)
            except NetworkError:
                log.exception("old UDP flows cannot be forgotten")


def _flat(lists: Iterable[list[ServicePort]]) -> list[ServicePort]:
    return [port for ports in lists for port in ports]


def _key(port: ServicePort) -> Key:
    return port.namespace, port.service, f"{port.protocol}/{port.name or port.port}"
