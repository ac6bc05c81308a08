"""Cluster addresses and node ports: given out once, and only while nobody else has them.

The allocator knows what is taken from the Services that it is shown (`observe`, `forget`: from the watch cache), and
keeps what it has just given out reserved until the write that asked for it has succeeded or failed. Between `allocate`
and the write nobody else can be given the same: one server is one event loop, and of several servers' writes only one
passes the guard (`apiserver.allocation`).
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Protocol

from msgspec import Struct

from sampan.api.types.core_v1 import Service
from sampan.apiserver.endpoint import Endpoint
from sampan.apiserver.objects import CachedObject
from sampan.apiserver.registry.addresses import parse_ip
from sampan.apiserver.registry.core.service_rules import (
    is_headless,
    needs_cluster_ip,
    needs_health_port,
    needs_node_port,
)
from sampan.apiserver.registry.field import Errors

DEFAULT_CIDR = "10.96.0.0/16"
DEFAULT_PORTS = (30000, 32767)
Key = tuple[str, str]
PortKey = tuple[str, int]
Network = IPv4Network | IPv6Network


class Chooser(Protocol):
    """What picks; tests bring their own."""

    def randrange(self, start: int, stop: int) -> int: ...


class Reservation(Struct):
    """What one write was given. Exactly one of `commit` and `rollback` is called."""

    key: Key
    errors: Errors
    ips: list[str]
    ports: list[PortKey]

    @property
    def given(self) -> bool:
        return bool(self.ips or self.ports)


class ServiceAllocator:
    def __init__(
        self,
        cidr: str = DEFAULT_CIDR,
        node_ports: tuple[int, int] = DEFAULT_PORTS,
        chooser: Chooser | None = None,
    ) -> None:
        self.network: Network = ip_network(cidr)
        self._further: dict[str, list[Network]] = {}  # by ServiceCIDR
        self.first_port, self.last_port = node_ports
        self._chooser: Chooser = chooser or random.SystemRandom()
        self._ips: dict[str, Key] = {}
        self._ports: dict[PortKey, Key] = {}
        self._held: dict[Key, tuple[list[str], list[PortKey]]] = {}

    @property
    def family(self) -> str:
        return f"IPv{self.network.version}"

    # --- what is known ----------------------------------------------------------------------------------------

    def observe(self, service: Service) -> None:
        """A Service as it is stored now."""
        key = _key(service)
        self._release(key)
        ips = [ip for ip in service.spec.clusterIPs or () if ip and ip != "None"]
        ports = _ports_of(service)
        for ip in ips:
            self._ips[ip] = key
        for port in ports:
            self._ports[port] = key
        self._held[key] = (ips, ports)

    def forget(self, namespace: str, name: str) -> None:
        """A Service is gone."""
        self._release((namespace, name))

    def set_ranges(self, name: str, cidrs: Iterable[str]) -> None:
        """What a ServiceCIDR adds to the server's own range: given out by number, or when that one is full."""
        self._further[name] = [network for cidr in cidrs if (network := ip_network(cidr)) != self.network]

    def _networks(self) -> list[Network]:
        further = (each for found in self._further.values() for each in found)
        return [self.network, *(each for each in further if each.version == self.network.version)]

    def _release(self, key: Key) -> None:
        ips, ports = self._held.pop(key, ([], []))
        for ip in ips:
            if self._ips.get(ip) == key:
                del self._ips[ip]
        for port in ports:
            if self._ports.get(port) == key:
                del self._ports[port]

    # --- giving out -------------------------------------------------------------------------------------------

    def allocate(self, service: Service, old: Service | None = None) -> Reservation:
        """Fills addresses, families and node ports in. With errors nothing stays reserved."""
        reservation = Reservation(key=_key(service), errors=Errors(), ips=[], ports=[])
        key = reservation.key
        if service.spec.type != "ExternalName":
            self._families(service, reservation.errors)
        if not reservation.errors and needs_cluster_ip(service) and not is_headless(service):
            self._address(service, key, reservation)
        if not reservation.errors and needs_node_port(service):
            self._node_ports(service, key, reservation)
        if not reservation.errors and needs_health_port(service):
            self._health_port(service, key, reservation)
        if reservation.errors:
            self.rollback(reservation)
        return reservation

    def commit(self, reservation: Reservation, service: Service) -> None:
        """The write succeeded: what is stored counts."""
        self.observe(service)

    def rollback(self, reservation: Reservation) -> None:
        """The write failed, or was only a rehearsal. What another server has given out meanwhile stays that one's."""
        for ip in reservation.ips:
            if self._ips.get(ip) == reservation.key:
                del self._ips[ip]
        for port in reservation.ports:
            if self._ports.get(port) == reservation.key:
                del self._ports[port]
        reservation.ips, reservation.ports = [], []

    def _families(self, service: Service, errors: Errors) -> None:
        spec = service.spec
        selectorless = is_headless(service) and not spec.selector
        if selectorless:
            spec.ipFamilyPolicy = spec.ipFamilyPolicy or "RequireDualStack"
        elif spec.ipFamilyPolicy == "RequireDualStack":
            errors.invalid(
                "spec.ipFamilyPolicy", spec.ipFamilyPolicy, "this cluster is not configured for dual-stack services"
            )
            return
        spec.ipFamilyPolicy = spec.ipFamilyPolicy or "SingleStack"
        if not spec.ipFamilies:
            spec.ipFamilies = [self.family]
            for ip in (spec.clusterIPs or ())[:1]:
                parsed = parse_ip(ip)
                if parsed is not None:
                    spec.ipFamilies = [f"IPv{parsed.version}"]
        if selectorless and spec.ipFamilyPolicy != "SingleStack" and len(spec.ipFamilies) == 1:
            spec.ipFamilies = [spec.ipFamilies[0], "IPv6" if spec.ipFamilies[0] == "IPv4" else "IPv4"]
        if not selectorless:
            for index, family in enumerate(spec.ipFamilies):
                if family in ("IPv4", "IPv6") and family != self.family:
                    errors.invalid(f"spec.ipFamilies[{index}]", family, "not configured on this cluster")

    def _address(self, service: Service, key: Key, reservation: Reservation) -> None:
        spec = service.spec
        wanted = (spec.clusterIPs or [""])[0] or spec.clusterIP or ""
        if not wanted:
            found = self._free_ip()
            if found is None:
                text = "failed to allocate a serviceIP: range is full"
                reservation.errors.internal("spec.clusterIPs", text)
                return
            spec.clusterIP, spec.clusterIPs = found, [found]
            wanted = found
        elif self._ips.get(wanted) == key:
            return
        else:
            why = self._refused(wanted)
            if why:
                detail = f"failed to allocate IP {wanted}: {why}"
                reservation.errors.invalid("spec.clusterIPs", spec.clusterIPs or [wanted], detail)
                return
        self._ips[wanted] = key
        reservation.ips.append(wanted)

    def _refused(self, ip: str) -> str:
        parsed = parse_ip(ip)
        if parsed is None:
            return "not a valid IP"
        if not any(_gives(network, parsed) for network in self._networks()):
            return "the provided network does not match the current range"
        return "provided IP is already allocated" if ip in self._ips else ""

    def _free_ip(self) -> str | None:
        return next((ip for network in self._networks() if (ip := self._free_in(network)) is not None), None)

    def _free_in(self, network: Network) -> str | None:
        """From the upper part of the range first: the lower one is for those who ask by number."""
        size = min(network.num_addresses, 1 << 16)
        offset = min(max(16, size // 16), 256) if size > 32 else 1
        for low, high in ((offset, size - 1), (1, offset)):
            if high <= low:
                continue
            start = self._chooser.randrange(low, high)
            for position in (*range(start, high), *range(low, start)):
                ip = str(network[position])
                if ip not in self._ips:
                    return ip
        return None

    def _node_ports(self, service: Service, key: Key, reservation: Reservation) -> None:
        given: dict[int, int] = {}
        for index, port in enumerate(service.spec.ports or ()):
            protocol = port.protocol or "TCP"
            if port.nodePort:
                mine = self._ports.get((protocol, port.nodePort))
                if mine == key and (protocol, port.nodePort) not in reservation.ports:
                    continue
                why = self._port_refused((protocol, port.nodePort))
                if why:
                    reservation.errors.invalid(f"spec.ports[{index}].nodePort", port.nodePort, why)
                    return
            else:
                # One port number for TCP and UDP of the same name is what people expect.
                same = given.get(port.port)
                port.nodePort = same if same and (protocol, same) not in self._ports else self._free_port(protocol)
                if port.nodePort is None:
                    text = "failed to allocate a nodePort: range is full"
                    reservation.errors.internal(f"spec.ports[{index}].nodePort", text)
                    return
            given[port.port] = port.nodePort
            self._ports[protocol, port.nodePort] = key
            reservation.ports.append((protocol, port.nodePort))

    def _health_port(self, service: Service, key: Key, reservation: Reservation) -> None:
        spec = service.spec
        if spec.healthCheckNodePort:
            if self._ports.get(("TCP", spec.healthCheckNodePort)) == key:
                return
            why = self._port_refused(("TCP", spec.healthCheckNodePort))
            if why:
                detail = f"failed to allocate requested HealthCheck NodePort {spec.healthCheckNodePort}: {why}"
                reservation.errors.internal("spec.healthCheckNodePort", detail)
                return
        else:
            spec.healthCheckNodePort = self._free_port("TCP")
            if spec.healthCheckNodePort is None:
                text = "failed to allocate a HealthCheck NodePort: range is full"
                reservation.errors.internal("spec.healthCheckNodePort", text)
                return
        self._ports["TCP", spec.healthCheckNodePort] = key
        reservation.ports.append(("TCP", spec.healthCheckNodePort))

    def _port_refused(self, port: PortKey) -> str:
        if not self.first_port <= port[1] <= self.last_port:
            span = f"{self.first_port}-{self.last_port}"
            return f"provided port is not in the valid range. The range of valid ports is {span}"
        return "provided port is already allocated" if port in self._ports else ""

    def _free_port(self, protocol: str) -> int | None:
        start = self._chooser.randrange(self.first_port, self.last_port + 1)
        candidates: Iterable[int] = (*range(start, self.last_port + 1), *range(self.first_port, start))
        return next((port for port in candidates if not self._taken(port, protocol)), None)

    def _taken(self, port: int, protocol: str) -> bool:
        return any((p, port) in self._ports for p in {protocol, "TCP", "UDP", "SCTP"})


def follow_ranges(endpoint: Endpoint, allocator: ServiceAllocator) -> None:
    """ServiceCIDRs, now and from now on. One that is to go gives nothing out any more."""

    def changed(obj: CachedObject, *, gone: bool = False) -> None:
        found = endpoint.decode(obj)
        gone = gone or found.metadata.deletionTimestamp is not None
        allocator.set_ranges(obj.name, () if gone else found.spec.cidrs or ())

    for each in endpoint.cache.all():
        changed(each)
    endpoint.cache.listeners.append(lambda event: changed(event.object, gone=event.deleted))


def _gives(network: Network, address: IPv4Address | IPv6Address) -> bool:
    return address in network and address not in (network.network_address, network.broadcast_address)


def _key(service: Service) -> Key:
    return service.metadata.namespace or "", service.metadata.name or ""


def _ports_of(service: Service) -> list[PortKey]:
    found = [(p.protocol or "TCP", p.nodePort) for p in service.spec.ports or () if p.nodePort]
    if service.spec.healthCheckNodePort:
        found.append(("TCP", service.spec.healthCheckNodePort))
    return found
