"""Policies as nftables. Pure.

    forward ─▶ established? itself? ─▶ `egress-of` its source ─▶ egress/…
                                    ─▶ `ingress-of` its destination ─▶ ingress/…

A chain returns where one of its rules allows the packet and drops it at its end. Pods to which the same policies apply
share a chain; who is meant by a selector is a set that all rules with this selector share. So a Pod that comes or goes
changes elements and no rule. Only what is forwarded comes by here: a node always reaches its own Pods, and they it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import struct
from collections.abc import Iterable, Iterator
from typing import Literal

from sampan.network.nft import Chain, MapType, Rule, SetType, Transaction, Verdict
from sampan.network.nft import expressions as nft
from sampan.network.nft.transaction import FORWARD
from sampan.proxy.fragment import Fragment, short
from sampan.proxy.policies.model import EVERYBODY, Group, Peer, PolicyRule, Port

Direction = Literal["ingress", "egress"]
_BY: dict[Direction, str] = {"ingress": "ingress-of", "egress": "egress-of"}
_ITSELF = "itself"
_AFTER_SERVICES = 10  # what no Service has an endpoint for was refused before
_ADDRESS = SetType(("ipv4_addr",))
_ENDPOINT = SetType(("inet_proto", "ipv4_addr", "inet_service"))


def table_name(name: str) -> str:
    return f"sampan-{name}-policies"


def build(transaction: Transaction) -> None:
    """The table without any policy."""
    transaction.replace_table()
    for each in _BY.values():
        transaction.make_set(each, MapType(("ipv4_addr",)))
    transaction.make_set(_ITSELF, SetType(("ipv4_addr", "ipv4_addr")))
    forward = Chain("forward", "filter", FORWARD, _AFTER_SERVICES)
    rules: list[Rule] = [
        (*nft.ct_is_known(), nft.verdict(nft.ACCEPT)),
        (nft.load_saddr(0), nft.load_daddr(1), nft.lookup(0, _ITSELF), nft.verdict(nft.ACCEPT)),
        (nft.load_saddr(0), nft.verdict_lookup(0, _BY["egress"])),
        (nft.load_daddr(0), nft.verdict_lookup(0, _BY["ingress"])),
    ]
    transaction.make_chain(forward)
    for rule in rules:
        transaction.add_rule(forward.name, rule)


def pod_fragment(ip: str, chains: Iterable[tuple[Direction, str]]) -> Fragment:
    """A Pod of this node, and the chains that say what it may."""
    made = Fragment()
    for direction, chain in chains:
        made.elements[_BY[direction], nft.ip(ip)] = Verdict(nft.JUMP, chain)
    if made.elements:
        made.elements[_ITSELF, nft.ip(ip) * 2] = None
    return made


def chain_name(direction: Direction, policies: tuple[str, ...]) -> str:
    return short(f"{direction}/{'+'.join(policies)}")


def chain_fragment(name: str, direction: Direction, rules: Iterable[PolicyRule]) -> Fragment:
    """All that any of these rules allows; nothing else."""
    allowed: list[Rule] = [
        (*match, nft.verdict(nft.RETURN)) for rule in rules for match in matches(rule, direction)
    ]
    return Fragment(chains={name: (*allowed, (nft.verdict(nft.DROP),))})


def matches(rule: PolicyRule, direction: Direction) -> Iterator[Rule]:
    for port in rule.ports or (None,):
        for peer in rule.peers if rule.peers is not None else (None,):
            yield (*_peer(peer, direction), *_port(port, peer, direction))


def _peer(peer: Peer | None, direction: Direction) -> Rule:
    if peer is None:
        return ()
    load = nft.load_saddr(0) if direction == "ingress" else nft.load_daddr(0)
    if isinstance(peer, Group):
        return load, nft.lookup(0, set_name(peer))
    inside: list[nft.Expression] = [load, *nft.within(0, peer.network)] if peer.network.prefixlen else []
    for hole in peer.holes:
        inside += [load, *nft.within(0, hole, negate=True)]
    return tuple(inside)


def _port(port: Port | None, peer: Peer | None, direction: Direction) -> Rule:
    if port is None:
        return ()
    if port.name:
        load = nft.load_l4proto(0), nft.load_daddr(1), nft.load_dport(2)
        return *load, nft.lookup(0, set_name(named_ports(port, peer, direction)))
    of_protocol = nft.l4proto_is(port.protocol)
    if not port.first:
        return of_protocol
    if port.first == port.last:
        return *of_protocol, nft.load_dport(0), nft.equal(0, struct.pack(">H", port.first))
    return *of_protocol, nft.load_dport(0), *nft.between(0, struct.pack(">H", port.first), struct.pack(">H", port.last))


def named_ports(port: Port, peer: Peer | None, direction: Direction) -> Group:
    """Whose port of that name: the one that is connected to. Going out, that is the peer."""
    whose = peer if direction == "egress" and isinstance(peer, Group) else EVERYBODY
    return dataclasses.replace(whose, port=port)


def groups_of(rules: Iterable[PolicyRule], direction: Direction) -> Iterator[Group]:
    """All sets that these rules look into."""
    for rule in rules:
        for peer in rule.peers if rule.peers is not None else (None,):
            if isinstance(peer, Group):
                yield peer
            for port in rule.ports or ():
                if port.name:
                    yield named_ports(port, peer, direction)


def set_name(group: Group) -> str:
    """Readable as far as it can be: selectors have signs in them that nft takes for its own."""
    asked = f"{group.namespaces}|{group.pods}|{group.port}"
    where = group.namespace or "any"
    what = f"port/{group.port.name}" if group.port is not None else "pods"
    return short(f"{what}/{where}/{hashlib.sha256(asked.encode()).hexdigest()[:12]}")


def group_fragment(group: Group, addresses: Iterable[tuple[str, int]]) -> Fragment:
    """Who is in it: addresses, and the ports of that name."""
    name = set_name(group)
    if group.port is None:
        return Fragment(sets={name: _ADDRESS}, elements={(name, nft.ip(ip)): None for ip, _ in addresses})
    protocol = nft.proto(group.port.protocol)
    found = {(name, protocol + nft.ip(ip) + nft.port(port)): None for ip, port in addresses}
    return Fragment(sets={name: _ENDPOINT}, elements=dict(found))

