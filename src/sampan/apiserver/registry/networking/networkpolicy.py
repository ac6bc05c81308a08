"""NetworkPolicies: who may talk to whom."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

from sampan.api import names
from sampan.api.types.networking_v1 import IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort
from sampan.apiserver.registry.addresses import (
    NOT_A_CIDR,
    PROTOCOLS,
    cidr_warnings,
    parse_cidr,
    validate_cidr,
    validate_port,
)
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.labels import validate_selector
from sampan.apiserver.registry.printing import age_of, format_selector
from sampan.apiserver.registry.strategy import AGE, NAME, Column, Strategy

_TYPES = ("Egress", "Ingress")


class NetworkPolicyStrategy(Strategy):
    columns: ClassVar[tuple[Column, ...]] = (NAME, Column("Pod-Selector", description="The Pods it is for."), AGE)
    generation_fields: ClassVar[tuple[str, ...]] = ("spec",)

    def set_defaults(self, obj: NetworkPolicy) -> None:
        spec = obj.spec
        for rule in (*(spec.ingress or ()), *(spec.egress or ())):
            for port in rule.ports or ():
                if port.protocol is None:
                    port.protocol = "TCP"
        if not spec.policyTypes:
            spec.policyTypes = ["Ingress", "Egress"] if spec.egress else ["Ingress"]

    def validate_spec(self, obj: NetworkPolicy, errors: Errors) -> None:
        spec = obj.spec
        validate_selector(spec.podSelector, "spec.podSelector", errors)
        for index, ingress in enumerate(spec.ingress or ()):
            _ports(ingress.ports or (), f"spec.ingress[{index}]", errors)
            _peers(ingress.from_ or (), f"spec.ingress[{index}].from", errors)
        for index, egress in enumerate(spec.egress or ()):
            _ports(egress.ports or (), f"spec.egress[{index}]", errors)
            _peers(egress.to or (), f"spec.egress[{index}].to", errors)
        types = spec.policyTypes or []
        if len(types) > 2:
            errors.invalid("spec.policyTypes", types, "may not specify more than two policyTypes")
            return
        for index, kind in enumerate(types):
            if kind not in _TYPES:
                errors.unsupported(f"spec.policyTypes[{index}]", kind, _TYPES)

    def warnings(self, obj: NetworkPolicy, old: NetworkPolicy | None) -> list[str]:
        blocks = [
            (f"spec.ingress[{at}].from[{index}]", peer.ipBlock)
            for at, rule in enumerate(obj.spec.ingress or ())
            for index, peer in enumerate(rule.from_ or ())
        ]
        blocks += [
            (f"spec.egress[{at}].to[{index}]", peer.ipBlock)
            for at, out in enumerate(obj.spec.egress or ())
            for index, peer in enumerate(out.to or ())
        ]
        found: list[str] = []
        for path, block in blocks:
            if block is not None:
                found += cidr_warnings(block.cidr, f"{path}.ipBlock.cidr")
                for index, hole in enumerate(block.except_ or ()):
                    found += cidr_warnings(hole, f"{path}.ipBlock.except[{index}]")
        return found

    def cells(self, obj: NetworkPolicy, now: datetime) -> list[Any]:
        return [obj.metadata.name or "", format_selector(obj.spec.podSelector), age_of(obj, now)]


def _ports(ports: Sequence[NetworkPolicyPort], path: str, errors: Errors) -> None:
    for index, port in enumerate(ports):
        here = f"{path}.ports[{index}]"
        if port.protocol is not None and port.protocol not in PROTOCOLS:
            errors.unsupported(f"{here}.protocol", port.protocol, PROTOCOLS)
        if isinstance(port.port, int):
            validate_port(port.port, f"{here}.port", errors)
            if port.endPort is not None:
                if port.endPort < port.port:
                    errors.invalid(f"{here}.endPort", port.port, "must be greater than or equal to `port`")
                validate_port(port.endPort, f"{here}.endPort", errors)
        elif isinstance(port.port, str):
            if port.endPort is not None:
                detail = "may not be specified when `port` is non-numeric"
                errors.invalid(f"{here}.endPort", port.endPort, detail)
            errors.each(f"{here}.port", port.port, names.port_name(port.port))
        elif port.endPort is not None:
            errors.invalid(f"{here}.endPort", port.endPort, "may not be specified when `port` is not specified")


def _peers(peers: Sequence[NetworkPolicyPeer], path: str, errors: Errors) -> None:
    for index, peer in enumerate(peers):
        here = f"{path}[{index}]"
        count = 0
        if peer.podSelector is not None:
            count += 1
            validate_selector(peer.podSelector, f"{here}.podSelector", errors)
        if peer.namespaceSelector is not None:
            count += 1
            validate_selector(peer.namespaceSelector, f"{here}.namespaceSelector", errors)
        if peer.ipBlock is not None:
            count += 1
            _block(peer.ipBlock, f"{here}.ipBlock", errors)
        if count == 0:
            errors.required(here, "must specify a peer")
        elif count > 1 and peer.ipBlock is not None:
            errors.forbidden(here, "may not specify both ipBlock and another peer")


def _block(block: IPBlock, path: str, errors: Errors) -> None:
    if not block.cidr:
        errors.required(f"{path}.cidr")
        return
    if not validate_cidr(block.cidr, f"{path}.cidr", errors):
        return
    whole = parse_cidr(block.cidr)
    for index, exception in enumerate(block.except_ or ()):
        here = f"{path}.except[{index}]"
        part = parse_cidr(exception)
        if part is None:
            errors.invalid(here, exception, NOT_A_CIDR)
        elif whole is not None and (
            part.version != whole.version or part.prefixlen <= whole.prefixlen or part.network_address not in whole
        ):
            errors.invalid(here, exception, "must be a strict subset of `cidr`")
