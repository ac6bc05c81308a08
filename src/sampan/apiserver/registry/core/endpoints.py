"""Endpoints: the older list of a Service's addresses."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

from sampan.api import names
from sampan.api.types.core_v1 import EndpointAddress, EndpointPort, Endpoints
from sampan.apiserver.registry.addresses import (
    validate_ip,
    validate_non_special_ip,
    validate_port,
    validate_protocol,
)
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.printing import age_of
from sampan.apiserver.registry.strategy import AGE, NAME, Column, Strategy

_SHOWN = 3


class EndpointsStrategy(Strategy):
    columns: ClassVar[tuple[Column, ...]] = (NAME, Column("Endpoints", description="The first addresses."), AGE)
    allow_create_on_update: ClassVar[bool] = True

    def set_defaults(self, obj: Endpoints) -> None:
        for subset in obj.subsets or ():
            for port in subset.ports or ():
                if not port.protocol:
                    port.protocol = "TCP"

    def validate_spec(self, obj: Endpoints, errors: Errors) -> None:
        for index, subset in enumerate(obj.subsets or ()):
            here = f"subsets[{index}]"
            if not subset.addresses and not subset.notReadyAddresses:
                errors.required(here, "must specify `addresses` or `notReadyAddresses`")
            _addresses(subset.addresses, f"{here}.addresses", errors)
            _addresses(subset.notReadyAddresses, f"{here}.notReadyAddresses", errors)
            ports = subset.ports or []
            for at, port in enumerate(ports):
                _port(port, len(ports) > 1, f"{here}.ports[{at}]", errors)

    def warnings(self, obj: Endpoints, old: Endpoints | None) -> list[str]:
        return ["v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"]

    def cells(self, obj: Endpoints, now: datetime) -> list[Any]:
        return [obj.metadata.name or "", _format(obj), age_of(obj, now)]


def _addresses(addresses: Sequence[EndpointAddress] | None, path: str, errors: Errors) -> None:
    for index, address in enumerate(addresses or ()):
        here = f"{path}[{index}]"
        validate_ip(address.ip, f"{here}.ip", errors)
        if address.hostname:
            errors.each(f"{here}.hostname", address.hostname, names.dns1123_label(address.hostname))
        if address.nodeName is not None:
            errors.each(f"{here}.nodeName", address.nodeName, names.dns1123_subdomain(address.nodeName))
        validate_non_special_ip(address.ip, f"{here}.ip", errors)


def _port(port: EndpointPort, named: bool, path: str, errors: Errors) -> None:
    if named and not port.name:
        errors.required(f"{path}.name")
    elif port.name:
        errors.each(f"{path}.name", port.name, names.dns1123_label(port.name))
    validate_port(port.port, f"{path}.port", errors)
    validate_protocol(port.protocol, f"{path}.protocol", errors)
    if port.appProtocol is not None:
        errors.each(f"{path}.appProtocol", port.appProtocol, names.qualified_name(port.appProtocol))


def _format(obj: Endpoints) -> str:
    """`10.0.0.1:80,10.0.0.2:80 + 3 more...`"""
    shown: list[str] = []
    count = 0
    for subset in obj.subsets or ():
        if not subset.ports:
            for address in subset.addresses or ():
                count += 1
                if len(shown) < _SHOWN:
                    shown.append(address.ip)
        for port in subset.ports or ():
            for address in subset.addresses or ():
                count += 1
                if len(shown) < _SHOWN:
                    ip = f"[{address.ip}]" if ":" in address.ip else address.ip
                    shown.append(f"{ip}:{port.port}")
    if not shown:
        return "<none>"
    text = ",".join(shown)
    return f"{text} + {count - _SHOWN} more..." if count > _SHOWN else text
