"""EndpointSlices: the addresses behind a Service."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

from sampan.api import names
from sampan.api.types.discovery_v1 import Endpoint, EndpointPort, EndpointSlice
from sampan.apiserver.registry import meta
from sampan.apiserver.registry.addresses import (
    ip_warnings,
    is_ipv6,
    parse_ip,
    validate_ip,
    validate_non_special_ip,
    validate_port,
    validate_protocol,
)
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.meta import validate_labels
from sampan.apiserver.registry.printing import age_of
from sampan.apiserver.registry.strategy import AGE, NAME, Column, Strategy

_TYPES = ("FQDN", "IPv4", "IPv6")
_MAX_ENDPOINTS, _MAX_ADDRESSES, _MAX_PORTS, _MAX_HINTS = 1000, 100, 20000, 8
_SHOWN = 3


class EndpointSliceStrategy(Strategy):
    columns: ClassVar[tuple[Column, ...]] = (
        NAME,
        Column("AddressType", description="What kind of addresses it has."),
        Column("Ports", description="The first ports."),
        Column("Endpoints", description="The first addresses."),
        AGE,
    )
    generation_fields: ClassVar[tuple[str, ...]] = ("endpoints", "ports", "addressType")

    def set_defaults(self, obj: EndpointSlice) -> None:
        for port in obj.ports or ():
            if port.name is None:
                port.name = ""
            if port.protocol is None:
                port.protocol = "TCP"

    def count_generation(self, obj: EndpointSlice, old: EndpointSlice) -> None:
        """Labels count too: proxies read the Service's name there."""
        super().count_generation(obj, old)
        same = obj.metadata.generation == (old.metadata.generation or 0)
        if same and (obj.metadata.labels or {}) != (old.metadata.labels or {}):
            obj.metadata.generation = (old.metadata.generation or 0) + 1

    def validate_spec(self, obj: EndpointSlice, errors: Errors) -> None:
        if not obj.addressType:
            errors.required("addressType")
        elif obj.addressType not in _TYPES:
            errors.unsupported("addressType", obj.addressType, _TYPES)
        endpoints = obj.endpoints or []
        if len(endpoints) > _MAX_ENDPOINTS:
            errors.too_many("endpoints", len(endpoints), _MAX_ENDPOINTS)
        else:
            for index, endpoint in enumerate(endpoints):
                _endpoint(endpoint, obj.addressType, f"endpoints[{index}]", errors)
        _ports(obj.ports or (), errors)

    def validate_change(self, obj: EndpointSlice, old: EndpointSlice, errors: Errors) -> None:
        if obj.addressType != old.addressType:
            errors.invalid("addressType", obj.addressType, meta.IMMUTABLE)

    def warnings(self, obj: EndpointSlice, old: EndpointSlice | None) -> list[str]:
        if obj.addressType == "FQDN":
            return []
        return [
            warning
            for index, endpoint in enumerate(obj.endpoints or ())
            for at, address in enumerate(endpoint.addresses or ())
            for warning in ip_warnings(address, f"endpoints[{index}].addresses[{at}]")
        ]

    def cells(self, obj: EndpointSlice, now: datetime) -> list[Any]:
        return [obj.metadata.name or "", obj.addressType, _format_ports(obj), _format_endpoints(obj), age_of(obj, now)]


def _endpoint(endpoint: Endpoint, kind: str, path: str, errors: Errors) -> None:
    addresses = endpoint.addresses
    if not addresses:
        errors.required(f"{path}.addresses", "must contain at least 1 address")
    elif len(addresses) > _MAX_ADDRESSES:
        errors.too_many(f"{path}.addresses", len(addresses), _MAX_ADDRESSES)
    for index, address in enumerate(addresses or ()):
        here = f"{path}.addresses[{index}]"
        if address in addresses[:index]:
            errors.duplicate(here, address)
            continue
        if kind == "FQDN":
            _fqdn(address, here, errors)
        elif kind in ("IPv4", "IPv6"):
            if not validate_ip(address, here, errors):
                continue
            if is_ipv6(address) != (kind == "IPv6"):
                errors.invalid(here, address, f"must be an {kind} address")
                continue
            validate_non_special_ip(address, here, errors)
    if endpoint.nodeName is not None:
        errors.each(f"{path}.nodeName", endpoint.nodeName, names.dns1123_subdomain(endpoint.nodeName))
    if endpoint.deprecatedTopology:
        validate_labels(endpoint.deprecatedTopology, f"{path}.deprecatedTopology", errors)
        if "topology.kubernetes.io/zone" in endpoint.deprecatedTopology:
            where = f"{path}.deprecatedTopology[topology.kubernetes.io/zone]"
            value = endpoint.deprecatedTopology["topology.kubernetes.io/zone"]
            errors.invalid(where, value, "reserved key was deprecated in v1")
    if endpoint.hostname is not None:
        errors.each(f"{path}.hostname", endpoint.hostname, names.dns1123_label(endpoint.hostname))
    if endpoint.hints is not None:
        for wire in ("forZones", "forNodes"):
            _hints(getattr(endpoint.hints, wire) or (), f"{path}.hints.{wire}", errors)


def _hints(hints: Sequence[Any], path: str, errors: Errors) -> None:
    if len(hints) > _MAX_HINTS:
        errors.too_many(path, len(hints), _MAX_HINTS)
        return
    seen: set[str] = set()
    for index, hint in enumerate(hints):
        here = f"{path}[{index}].name"
        if hint.name in seen:
            errors.duplicate(here, hint.name)
        seen.add(hint.name)
        if path.endswith("forNodes"):
            errors.each(here, hint.name, names.dns1123_subdomain(hint.name))
        else:
            errors.each(here, hint.name, names.label_value(hint.name))


def _fqdn(address: str, path: str, errors: Errors) -> None:
    objections = names.fully_qualified(address)
    if parse_ip(address) is not None:
        errors.invalid(path, address, "must not be an IP address")
    errors.each(path, address, objections)


def _ports(ports: Sequence[EndpointPort], errors: Errors) -> None:
    if len(ports) > _MAX_PORTS:
        errors.too_many("ports", len(ports), _MAX_PORTS)
        return
    seen: set[str] = set()
    for index, port in enumerate(ports):
        here = f"ports[{index}]"
        name = port.name or ""
        if name:
            errors.each(f"{here}.name", name, names.dns1123_label(name))
        if name in seen:
            errors.duplicate(f"{here}.name", name)
        seen.add(name)
        validate_protocol(port.protocol, f"{here}.protocol", errors)
        if port.port is not None:
            validate_port(port.port, f"{here}.port", errors)
        if port.appProtocol is not None:
            errors.each(f"{here}.appProtocol", port.appProtocol, names.qualified_name(port.appProtocol))


def _first(texts: Sequence[str]) -> str:
    if not texts:
        return "<unset>"
    shown = ",".join(texts[:_SHOWN])
    return f"{shown} + {len(texts) - _SHOWN} more..." if len(texts) > _SHOWN else shown


def _format_ports(obj: EndpointSlice) -> str:
    return _first([str(p.port) if p.port is not None else (p.name or "*") for p in obj.ports or ()])


def _format_endpoints(obj: EndpointSlice) -> str:
    return _first([a for e in obj.endpoints or () for a in e.addresses])
