"""The cluster's names: what Kubernetes' DNS specification 1.1.0 says each Service has, and look-up among them. Pure.

Names come and go Service by Service; each keeps count of how many Services need it, so that a name in the middle
(`default.svc.cluster.local`, `_tcp.web.…`) exists exactly as long as something below it does: that is the difference
between "no such name" and "no such record".
"""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from sampan.api.types.core_v1 import Service
from sampan.api.types.core_v1 import ServicePort as ApiPort
from sampan.api.types.discovery_v1 import Endpoint, EndpointSlice
from sampan.proxy.dns.wire import (
    ANY,
    CNAME,
    NOERROR,
    NS,
    NXDOMAIN,
    PTR,
    SOA,
    SRV,
    TXT,
    A,
    Answer,
    address_record,
    encode_name,
    labels_of,
    parents_of,
    record,
    reverse_name,
    service_data,
    start_of_authority,
)
from sampan.proxy.model import is_ready

_VERSION = b"1.1.0"
_NEGATIVE_TTL = 5
_WEIGHT = 100


class Entry(NamedTuple):
    """One record of a name. `extra` are addresses of the name it points to, sent along."""

    kind: int
    data: bytes
    extra: tuple[bytes, ...] = ()


Records = dict[bytes, list[Entry]]


class Zone:
    def __init__(
        self, domain: str, *, ttl: int, own_address: str, reverse: Iterable[ipaddress.IPv4Network] = ()
    ) -> None:
        """`reverse`: ranges of which we know every address; addresses outside are asked upstream."""
        self.complete = False  # set when all Services have been told
        self.domain = domain.strip(".").lower()
        self.name = encode_name(self.domain)
        self._ttl = ttl
        self._reverse = tuple(reverse)
        self._suffix = len(self.name)
        self._by_name: dict[bytes, list[tuple[str, Entry]]] = {}
        self._below: defaultdict[bytes, int] = defaultdict(int)
        self._by_owner: dict[str, Records] = {}
        self._pods = encode_name(f"pod.{self.domain}")
        self._serial = 1
        self._turn = 0
        self._known: dict[tuple[bytes, int], Answer] = {}
        self._set("", self._apex(own_address))

    def _apex(self, own_address: str) -> Records:
        server = encode_name(f"ns.dns.{self.domain}")
        packed = ipaddress.ip_address(own_address).packed
        return {
            self.name: [Entry(NS, server)],
            server: [Entry(A, packed)],
            encode_name(f"dns-version.{self.domain}"): [Entry(TXT, bytes((len(_VERSION),)) + _VERSION)],
            self._pods: [],
            encode_name(f"svc.{self.domain}"): [],
        }

    # -- changing

    def set_service(self, key: str, service: Service | None, slices: Iterable[EndpointSlice] = ()) -> None:
        """What the zone says of this Service from now on (None: nothing)."""
        self._set(key, self._records(service, list(slices)) if service is not None else {})

    def _set(self, key: str, records: Records) -> None:
        if records == self._by_owner.get(key, {}):
            return
        for name in self._by_owner.pop(key, {}):
            kept = [each for each in self._by_name.pop(name, ()) if each[0] != key]
            if kept:
                self._by_name[name] = kept
            for parent in (name, *parents_of(name)):
                self._below[parent] -= 1
                if not self._below[parent]:
                    del self._below[parent]
        if records:
            self._by_owner[key] = records
        for name, entries in records.items():
            if entries:
                self._by_name.setdefault(name, []).extend((key, entry) for entry in entries)
            for parent in (name, *parents_of(name)):
                self._below[parent] += 1
        self._serial = self._serial % 0xFFFFFFFF + 1
        self._known.clear()

    def _records(self, service: Service, slices: list[EndpointSlice]) -> Records:
        base = f"{service.metadata.name}.{service.metadata.namespace}.svc.{self.domain}"
        spec = service.spec
        try:
            name = encode_name(base)
            if spec.type == "ExternalName":
                return {name: [Entry(CNAME, encode_name(spec.externalName or ""))]}
        except ValueError:
            return {}
        if spec.clusterIP == "None":
            return self._headless(name, slices)
        addresses = [each for each in (spec.clusterIPs or [spec.clusterIP or ""]) if each]
        return self._cluster_ip(name, addresses, spec.ports or []) if addresses else {}

    def _cluster_ip(self, name: bytes, addresses: list[str], ports: list[ApiPort]) -> Records:
        records: Records = {name: [self._address(address) for address in addresses]}
        glue = tuple(address_record(address, self._ttl, name)[1] for address in addresses)
        for port in ports:
            if port.name:
                owner = _service_label(port.name, port.protocol) + name
                records[owner] = [Entry(SRV, service_data(_WEIGHT, port.port, name), glue)]
        for address in addresses:
            records[reverse_name(address)] = [Entry(PTR, name)]
        return records

    def _headless(self, name: bytes, slices: list[EndpointSlice]) -> Records:
        records: Records = {name: []}
        seen: set[tuple[bytes, str]] = set()
        for each, endpoint, address in _ready(slices):
            host = _host_label(endpoint, address) + name
            if (host, address) in seen:
                continue
            seen.add((host, address))
            entry = self._address(address)
            if entry not in records[name]:
                records[name].append(entry)
            records.setdefault(host, []).append(entry)
            records.setdefault(reverse_name(address), []).append(Entry(PTR, host))
            glue = (address_record(address, self._ttl, host)[1],)
            for port in each.ports or ():
                if port.name and port.port:
                    owner = _service_label(port.name, port.protocol) + name
                    records.setdefault(owner, []).append(Entry(SRV, service_data(_WEIGHT, port.port, host), glue))
        return records

    @staticmethod
    def _address(address: str) -> Entry:
        kind, whole = address_record(address, 0)
        return Entry(kind, whole[12:])

    # -- answering

    def holds(self, name: bytes) -> bool:
        """Ours to answer: in the domain, or the reverse name of one of our addresses."""
        if name.endswith(self.name) and (len(name) == self._suffix or _at_label(name, len(name) - self._suffix)):
            return True
        return name.endswith(_ARPA) and (name in self._by_name or self._in_reverse(name))

    def _in_reverse(self, name: bytes) -> bool:
        labels = labels_of(name)
        if len(labels) != 6:
            return False
        try:
            address = ipaddress.IPv4Address(b".".join(reversed(labels[:4])).decode())
        except ValueError:
            return False
        return any(address in network for network in self._reverse)

    def answer(self, name: bytes, kind: int) -> Answer:
        """For a name that `holds`. Several addresses take turns at being first."""
        known = self._known.get((name, kind))
        if known is None:
            known = self._look_up(name, kind)
            if len(self._known) > 20_000:
                self._known.clear()
            self._known[name, kind] = known
        if len(known.answers) > 1:
            self._turn += 1
            at = self._turn % len(known.answers)
            return known._replace(answers=known.answers[at:] + known.answers[:at])
        return known

    def alias(self, name: bytes) -> bytes | None:
        """The name this one stands for (ExternalName)."""
        entries = self._by_name.get(name)
        return next((entry.data for _, entry in entries if entry.kind == CNAME), None) if entries else None

    def _look_up(self, name: bytes, kind: int) -> Answer:
        entries = [entry for _, entry in self._by_name.get(name, ())]
        if not entries and name.endswith(self._pods) and (pod := self._pod(name)) is not None:
            entries = [pod]
        chosen = [entry for entry in entries if entry.kind in (kind, CNAME) or kind == ANY]
        if chosen:
            extra = tuple(dict.fromkeys(glue for entry in chosen for glue in entry.extra))
            return Answer(NOERROR, tuple(record(each.kind, self._ttl, each.data) for each in chosen), (), extra)
        authority = start_of_authority(self.name, _NEGATIVE_TTL, self._serial)
        if kind == SOA and name == self.name:
            return Answer(NOERROR, (authority,))
        exists = bool(entries) or name in self._below
        return Answer(NOERROR if exists else NXDOMAIN, (), (authority,))

    def _pod(self, name: bytes) -> Entry | None:
        """`10-244-1-5.NAMESPACE.pod.DOMAIN` is that address."""
        labels = labels_of(name[: len(name) - len(self._pods)] + b"\0")
        if len(labels) != 2:
            return None
        text = labels[0].decode(errors="replace")
        for spelled in (text.replace("-", "."), text.replace("-", ":")):
            try:
                return self._address(str(ipaddress.ip_address(spelled)))
            except ValueError:
                continue
        return None


_ARPA = b"\x04arpa\0"


def _at_label(name: bytes, position: int) -> bool:
    """A label starts at `position`: the suffix there is not just the tail of a longer word."""
    at = 0
    while at < position:
        at += name[at] + 1
    return at == position


def _service_label(port: str, protocol: str | None) -> bytes:
    return encode_name(f"_{port}._{(protocol or 'TCP').lower()}")[:-1]


def _host_label(endpoint: Endpoint, address: str) -> bytes:
    host = endpoint.hostname or address.replace(".", "-").replace(":", "-")
    return encode_name(host)[:-1]


def _ready(slices: list[EndpointSlice]) -> Iterator[tuple[EndpointSlice, Endpoint, str]]:
    """Not-ready endpoints of a Service that publishes them are marked ready in the slice."""
    for each in slices:
        if each.addressType not in ("IPv4", "IPv6"):
            continue
        for endpoint in each.endpoints or ():
            if is_ready(endpoint):
                for address in endpoint.addresses[:1]:
                    yield each, endpoint, address
