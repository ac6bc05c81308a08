"""The node's own nftables rules, as data. Pure: `pod_network.py` sends them.

Everything that changes while the node runs is an element of a set or map; the rules themselves never change.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network

from .contract import HostPort, NetworkConfig
from .leases import Lease
from .names import veth_prefix
from .nft import Chain, MapType, Rule, SetType, Transaction
from .nft import expressions as nft
from .nft.transaction import OUTPUT, POSTROUTING, PREROUTING, Element

HAIRPIN, PEERS, ON_ANY, ON_ADDRESS = "hairpin", "peers", "host-ports", "host-ports-by-address"
_ANYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 - compared, not bound
_AFTER_CONNTRACK, _DSTNAT, _SRCNAT = -150, -100, 100
_LOOPBACK, _MULTICAST = IPv4Network("127.0.0.0/8"), IPv4Network("224.0.0.0/4")


def build(transaction: Transaction, config: NetworkConfig) -> None:
    """The whole table, empty of elements."""
    transaction.replace_table()
    transaction.make_set(HAIRPIN, SetType(("ipv4_addr", "ipv4_addr")))
    transaction.make_set(PEERS, SetType(("ipv4_addr",)))
    transaction.make_set(ON_ANY, MapType(("inet_proto", "inet_service"), data=("ipv4_addr", "inet_service")))
    by_address = ("inet_proto", "ipv4_addr", "inet_service")
    transaction.make_set(ON_ADDRESS, MapType(by_address, data=("ipv4_addr", "inet_service")))
    for chain, rules in chains(config):
        transaction.make_chain(chain)
        for rule in rules:
            transaction.add_rule(chain.name, rule)


def chains(config: NetworkConfig) -> list[tuple[Chain, list[Rule]]]:
    ours = veth_prefix(config.name) + "*"
    to_host_port: list[Rule] = [
        (
            *nft.local_destination(),
            nft.load_l4proto(0), nft.load_daddr(1), nft.load_dport(2), nft.lookup(0, ON_ADDRESS, into=4), nft.dnat(4),
        ),
        (*nft.local_destination(), nft.load_l4proto(0), nft.load_dport(1), nft.lookup(0, ON_ANY, into=4), nft.dnat(4)),
    ]  # fmt: skip
    return [
        (Chain("guard", "filter", PREROUTING, _AFTER_CONNTRACK), _guard(config, ours)),
        (Chain("prerouting", "nat", PREROUTING, _DSTNAT), to_host_port),
        (Chain("output", "nat", OUTPUT, _DSTNAT), to_host_port),
        (Chain("postrouting", "nat", POSTROUTING, _SRCNAT), _source_rules(config, ours)),
    ]  # fmt: skip


def _guard(config: NetworkConfig, ours: str) -> list[Rule]:
    """What workloads may not send. First packets only: a connection that may not begin has no further ones."""
    from_us = nft.interface(nft.META_IIFNAME, ours)
    return [
        (*nft.ct_is_known(), nft.verdict(nft.ACCEPT)),
        # What belongs to no connection (a segment far outside its window) is not translated back: the other end would
        # see a stranger's address, answer with a reset, and so end a connection that is well.
        (*nft.ct_is_invalid(), *from_us, nft.verdict(nft.DROP)),
        (*nft.ct_is_invalid(), nft.load_daddr(0), *nft.within(0, config.node_range), nft.verdict(nft.DROP)),
        # Routing of 127.0.0.0/8 is on for our interfaces (host ports on localhost), so nobody may reach in through it.
        (*from_us, nft.load_daddr(0), *nft.within(0, _LOOPBACK), nft.verdict(nft.DROP)),
        # Nobody speaks with another's address. The kernel's own check (rp_filter) would look up every single packet.
        (*from_us, *nft.foreign_source(), nft.verdict(nft.DROP)),
    ]


def _source_rules(config: NetworkConfig, ours: str) -> list[Rule]:
    return [
        # To itself through a port of the host: it would drop packets that come from its own address.
        (nft.load_saddr(0), nft.load_daddr(1), nft.lookup(0, HAIRPIN), nft.masquerade()),
        # From localhost to a workload: it could not answer to its own loopback.
        (
            nft.load_saddr(0), *nft.within(0, _LOOPBACK),
            *nft.interface(nft.META_OIFNAME, ours), nft.masquerade(),
        ),
        # Only what leaves the cluster: workloads and nodes see each other's real addresses.
        (
            nft.load_saddr(0), *nft.within(0, config.node_range),
            nft.load_daddr(0), *nft.within(0, config.cluster_range, negate=True),
            nft.load_daddr(0), *nft.within(0, _MULTICAST, negate=True),
            nft.load_daddr(0), nft.lookup(0, PEERS, negate=True),
            *nft.interface(nft.META_OIFNAME, ours, negate=True),
            nft.masquerade(),
        ),
    ]  # fmt: skip


def elements(lease: Lease) -> dict[str, list[Element]]:
    """What a workload's host ports put into which map."""
    made: dict[str, list[Element]] = {}
    for port in lease.host_ports:
        if ":" in port.host_ip and port.host_ip != "::":
            continue  # an IPv6 address of the host: the workload has none to lead to
        name, key = _key(port)
        made.setdefault(name, []).append((key, nft.endpoint(lease.ip, port.port)))
    if made:
        made[HAIRPIN] = [(nft.ip(lease.ip) * 2, None)]
    return made


def _key(port: HostPort) -> tuple[str, bytes]:
    if port.host_ip in _ANYWHERE:
        return ON_ANY, nft.proto(port.protocol) + nft.port(port.host_port)
    return ON_ADDRESS, nft.proto(port.protocol) + nft.ip(port.host_ip) + nft.port(port.host_port)


def conflict(wanted: Iterable[HostPort], leases: Iterable[Lease]) -> tuple[HostPort, str] | None:
    """A port that another workload holds already, with its id."""
    asked = list(wanted)
    for lease in leases:
        for held in lease.host_ports:
            for port in asked:
                if (held.protocol, held.host_port) == (port.protocol, port.host_port) and _overlap(held, port):
                    return port, lease.owner
    return None


def _overlap(one: HostPort, other: HostPort) -> bool:
    return one.host_ip in _ANYWHERE or other.host_ip in _ANYWHERE or one.host_ip == other.host_ip


def peer_elements(addresses: Iterable[str]) -> list[Element]:
    return [(nft.ip(address), None) for address in addresses]
