"""What a NetworkPolicy says, freed of its shape. Pure.

A direction a policy does not speak of is None; one it speaks of is a list of rules, of which any may allow what comes:
no rule at all allows nothing, a rule without peers and ports allows everything.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network

from sampan.api.selectors.labels import EVERYTHING, Selector, from_label_selector, parse
from sampan.api.types.meta_v1 import LabelSelector
from sampan.api.types.networking_v1 import IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort
from sampan.network.contract import L4

_PROTOCOLS: dict[str, L4] = {"TCP": "tcp", "UDP": "udp", "SCTP": "sctp"}


@dataclass(frozen=True, slots=True)
class Port:
    """Of this protocol: all ports, those from `first` to `last`, or whatever each Pod calls by `name`."""

    protocol: L4
    first: int = 0
    last: int = 0
    name: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Pods by selectors. With `port`: the addresses at which they have a port of that name."""

    namespace: str  # of the policy; "": those that `namespaces` selects
    namespaces: Selector
    pods: Selector
    port: Port | None = None


EVERYBODY = Group("", EVERYTHING, EVERYTHING)


@dataclass(frozen=True, slots=True)
class Block:
    network: IPv4Network
    holes: tuple[IPv4Network, ...] = ()


Peer = Group | Block


@dataclass(frozen=True, slots=True)
class PolicyRule:
    peers: tuple[Peer, ...] | None  # None: everybody; empty: nobody that can be an IPv4 address
    ports: tuple[Port, ...] | None  # None: everything, ICMP among it


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    namespace: str
    pods: Selector
    ingress: tuple[PolicyRule, ...] | None = field(default=None)
    egress: tuple[PolicyRule, ...] | None = field(default=None)

    def selects(self, namespace: str, labels: dict[str, str]) -> bool:
        return namespace == self.namespace and self.pods.matches(labels)


def policy_of(policy: NetworkPolicy) -> Policy:
    namespace, spec = policy.metadata.namespace or "", policy.spec
    types = spec.policyTypes or (["Ingress", "Egress"] if spec.egress else ["Ingress"])
    ingress = [PolicyRule(_peers(each.from_, namespace), _ports(each.ports)) for each in spec.ingress or ()]
    egress = [PolicyRule(_peers(each.to, namespace), _ports(each.ports)) for each in spec.egress or ()]
    return Policy(
        namespace=namespace,
        pods=_selector(spec.podSelector),
        ingress=tuple(ingress) if "Ingress" in types else None,
        egress=tuple(egress) if "Egress" in types else None,
    )


def _peers(peers: Sequence[NetworkPolicyPeer] | None, namespace: str) -> tuple[Peer, ...] | None:
    if not peers:
        return None
    found: list[Peer] = []
    for peer in peers:
        if peer.ipBlock is not None:
            found += _block(peer.ipBlock)
        else:
            found.append(_group(peer, namespace))
    return tuple(found)


def _group(peer: NetworkPolicyPeer, namespace: str) -> Group:
    pods = _selector(peer.podSelector)
    if peer.namespaceSelector is None:
        return Group(namespace, EVERYTHING, pods)
    return Group("", _selector(peer.namespaceSelector), pods)


def _selector(selector: LabelSelector | None) -> Selector:
    """Absent is everything wherever policies have one. Those that read alike are equal: one group, one set."""
    return parse(str(from_label_selector(selector))) if selector is not None else EVERYTHING


def _block(block: IPBlock) -> Iterable[Block]:
    network = _ipv4(block.cidr)
    if network is not None:
        yield Block(network, tuple(hole for text in block.except_ or () if (hole := _ipv4(text)) is not None))


def _ipv4(text: str) -> IPv4Network | None:
    try:
        return ipaddress.IPv4Network(text, strict=False)
    except ValueError:
        return None  # IPv6: no packet of ours has such an address


def _ports(ports: Sequence[NetworkPolicyPort] | None) -> tuple[Port, ...] | None:
    return tuple(map(_port, ports)) if ports else None


def _port(port: NetworkPolicyPort) -> Port:
    protocol = _PROTOCOLS[port.protocol or "TCP"]
    if isinstance(port.port, str):
        return Port(protocol, name=port.port)
    return Port(protocol, port.port or 0, port.endPort or port.port or 0)
