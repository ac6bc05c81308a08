"""A Service's port as nftables: chains, sets and map elements. Pure: bytes in, bytes out, nothing is sent.

    prerouting ┐             ┌ service-ips (protocol . address . port) ─▶ cluster-ip/… ─▶ service/… ─▶ one endpoint
    output     ┴▶ services ──┤                                         └▶ external/…   ─▶ service/… or local/…
                             └ node-ports  (protocol . port) ───────────▶ external/…

A packet meets two look-ups, whatever the number of Services. Addresses that lead nowhere are in maps of their own,
which refuse connections at once instead of letting them run into a timeout.
"""

from __future__ import annotations

from ipaddress import IPv4Network

from sampan.network.nft import Chain, MapType, Rule, SetType, Transaction, Verdict
from sampan.network.nft import expressions as nft
from sampan.network.nft.transaction import FORWARD, INPUT, OUTPUT, POSTROUTING, PREROUTING
from sampan.proxy.fragment import Fragment, short
from sampan.proxy.model import Backend, ServicePort

SERVICE_IPS, NODE_PORTS, HAIRPIN = "service-ips", "node-ports", "hairpin"
DEAD_IPS, DEAD_NODE_PORTS = "no-endpoint-ips", "no-endpoint-node-ports"
MASQUERADE_BIT = 0x4000  # the bit Kubernetes' own proxy uses: other software knows to leave it alone
_DSTNAT, _FILTER, _SRCNAT = -100, 0, 100

def table_name(name: str) -> str:
    return f"sampan-{name}-services"


def build(transaction: Transaction, cluster_range: IPv4Network, service_range: IPv4Network | None) -> None:
    """The table without any Service."""
    transaction.replace_table()
    for name in (SERVICE_IPS, DEAD_IPS):
        transaction.make_set(name, MapType(("inet_proto", "ipv4_addr", "inet_service")))
    for name in (NODE_PORTS, DEAD_NODE_PORTS):
        transaction.make_set(name, MapType(("inet_proto", "inet_service")))
    transaction.make_set(HAIRPIN, SetType(("ipv4_addr", "ipv4_addr")))
    chains = _chains(service_range)
    for chain, _ in chains:
        transaction.make_chain(chain)
    for chain, rules in chains:
        for rule in rules:
            transaction.add_rule(chain.name, rule)


def _chains(service_range: IPv4Network | None) -> list[tuple[Chain, list[Rule]]]:
    by_address = (nft.load_l4proto(0), nft.load_daddr(1), nft.load_dport(2))
    by_port = (nft.load_l4proto(0), nft.load_dport(1))
    services: list[Rule] = [
        (*by_address, nft.verdict_lookup(0, SERVICE_IPS)),
        (*nft.local_destination(), *by_port, nft.verdict_lookup(0, NODE_PORTS)),
    ]
    dead: list[Rule] = [
        (*by_address, nft.verdict_lookup(0, DEAD_IPS)),
        (*nft.local_destination(), *by_port, nft.verdict_lookup(0, DEAD_NODE_PORTS)),
    ]
    if service_range is not None:  # what was not translated by now is nobody's
        unknown = (nft.load_daddr(0), *nft.within(0, service_range), *nft.local_destination(negate=True))
        dead.append((*unknown, nft.verdict(nft.GOTO, "reject")))
    to_services: list[Rule] = [(nft.verdict(nft.JUMP, "services"),)]
    to_dead: list[Rule] = [(*nft.ct_is_new(), nft.verdict(nft.JUMP, "no-endpoints"))]
    return [
        (Chain("services"), services),
        (Chain("reject"), [(*nft.l4proto_is("tcp"), nft.reject_reset()), (nft.reject_unreachable(),)]),
        (Chain("no-endpoints"), dead),
        (Chain("prerouting", "nat", PREROUTING, _DSTNAT), to_services),
        (Chain("output", "nat", OUTPUT, _DSTNAT), to_services),
        (Chain("input-filter", "filter", INPUT, _FILTER), to_dead),
        (Chain("forward-filter", "filter", FORWARD, _FILTER), to_dead),
        (Chain("output-filter", "filter", OUTPUT, _FILTER), to_dead),
        (
            Chain("postrouting", "nat", POSTROUTING, _SRCNAT),
            [
                (*nft.mark_has(MASQUERADE_BIT), *nft.clear_mark_bit(MASQUERADE_BIT), nft.masquerade()),
                # A Pod that meets itself would drop a packet from its own address.
                (
                    *nft.ct_was_dnated(),
                    nft.load_saddr(0), nft.load_daddr(1), nft.lookup(0, HAIRPIN),
                    *nft.interface(nft.META_OIFNAME, "lo", negate=True), nft.masquerade(),
                ),
            ],
        ),
    ]  # fmt: skip


def fragment(port: ServicePort, cluster_range: IPv4Network) -> Fragment:
    made = Fragment()
    name = _name(port)
    _internal(made, port, name, cluster_range)
    if port.node_port or port.external_ips or port.load_balancer_ips:
        _external(made, port, name, cluster_range)
    for address in port.own:
        made.elements[HAIRPIN, nft.ip(address) * 2] = None
    return made


def _name(port: ServicePort) -> str:
    return short(f"{port.namespace}/{port.service}/{port.protocol}/{port.name or port.port}")


def _internal(made: Fragment, port: ServicePort, name: str, cluster_range: IPv4Network) -> None:
    if not port.inside:
        dead = Verdict(nft.DROP) if port.anywhere else Verdict(nft.GOTO, "reject")
        made.elements[DEAD_IPS, _ip_key(port, port.cluster_ip)] = dead
        return
    # Who comes from elsewhere (the node as a router) must be answered through this node; Pods keep their address.
    outsider: Rule = (
        nft.load_saddr(0), *nft.within(0, cluster_range, negate=True), *nft.set_mark_bit(MASQUERADE_BIT),
    )  # fmt: skip
    balance = _balance(made, port, f"{'local' if port.inside_stays_here else 'service'}/{name}", port.inside)
    entry = f"cluster-ip/{name}"
    made.chains[entry] = (outsider, (nft.verdict(nft.GOTO, balance),))
    made.elements[SERVICE_IPS, _ip_key(port, port.cluster_ip)] = Verdict(nft.GOTO, entry)


def _external(made: Fragment, port: ServicePort, name: str, cluster_range: IPv4Network) -> None:
    if not port.anywhere:
        for address in (*port.external_ips, *port.load_balancer_ips):
            made.elements[DEAD_IPS, _ip_key(port, address)] = Verdict(nft.GOTO, "reject")
        if port.node_port:
            made.elements[DEAD_NODE_PORTS, _port_key(port)] = Verdict(nft.GOTO, "reject")
        return
    everywhere = _balance(made, port, f"service/{name}", port.anywhere)
    masqueraded: Rule = (*nft.set_mark_bit(MASQUERADE_BIT), nft.verdict(nft.GOTO, everywhere))
    entry = f"external/{name}"
    if not port.outside_stays_here:
        made.chains[entry] = (masqueraded,)
    else:
        rules: list[Rule] = [
            # Pods and the node itself are inside: the policy is for clients whose address shall be seen.
            (nft.load_saddr(0), *nft.within(0, cluster_range), nft.verdict(nft.GOTO, everywhere)),
            (*nft.local_source(), *masqueraded),
        ]
        if port.here:
            rules.append((nft.verdict(nft.GOTO, _balance(made, port, f"local/{name}", port.here)),))
        else:
            rules.append((nft.verdict(nft.DROP),))  # another node has it; silence lets a load balancer try there
        made.chains[entry] = tuple(rules)
    for address in port.external_ips:
        made.elements[SERVICE_IPS, _ip_key(port, address)] = Verdict(nft.GOTO, entry)
    for address in port.load_balancer_ips:
        made.elements[SERVICE_IPS, _ip_key(port, address)] = Verdict(nft.GOTO, _gate(made, port, name, entry))
    if port.node_port:
        made.elements[NODE_PORTS, _port_key(port)] = Verdict(nft.GOTO, entry)


def _gate(made: Fragment, port: ServicePort, name: str, entry: str) -> str:
    """loadBalancerSourceRanges: only these get to the load balancer's addresses."""
    if not port.source_ranges:
        return entry
    allowed = [IPv4Network(text, strict=False) for text in port.source_ranges]
    rules: list[Rule] = [
        (nft.load_saddr(0), *nft.within(0, network), nft.verdict(nft.GOTO, entry)) for network in allowed
    ]
    made.chains[f"firewall/{name}"] = (*rules, (nft.verdict(nft.DROP),))
    return f"firewall/{name}"


def _balance(made: Fragment, port: ServicePort, chain: str, backends: tuple[Backend, ...]) -> str:
    """A chain that ends at one of the endpoints, each as likely as the other."""
    if port.affinity_seconds:
        made.chains[chain] = _sticky(made, port, backends)
    elif len(backends) == 1:
        made.chains[chain] = ((*nft.load_endpoint(0, *backends[0]), nft.dnat(0)),)
    else:
        choice = nft.AnonymousMap(0, 0, tuple(nft.endpoint(*backend) for backend in backends))
        made.chains[chain] = ((nft.random_below(0, len(backends)), choice, nft.dnat(0)),)
    return chain


def _sticky(made: Fragment, port: ServicePort, backends: tuple[Backend, ...]) -> tuple[Rule, ...]:
    """Each endpoint remembers its clients; an endpoint that goes takes its memory with it."""
    milliseconds = port.affinity_seconds * 1000
    again: list[Rule] = []
    targets = []
    for backend in backends:
        name = f"{_name(port)}/{backend.ip}/{backend.port}"
        clients, target = f"clients/{port.affinity_seconds}/{name}", f"endpoint/{name}"
        made.sets[clients] = SetType(("ipv4_addr",), milliseconds)
        made.chains[target] = (
            (nft.load_saddr(0), nft.update_element(clients, 0, milliseconds)),
            (*nft.load_endpoint(0, *backend), nft.dnat(0)),
        )
        again.append((nft.load_saddr(0), nft.lookup(0, clients), nft.verdict(nft.GOTO, target)))
        targets.append(Verdict(nft.GOTO, target))
    return (*again, (nft.random_below(0, len(targets)), nft.AnonymousMap(0, 0, tuple(targets))))


def _ip_key(port: ServicePort, address: str) -> bytes:
    return nft.proto(port.protocol) + nft.ip(address) + nft.port(port.port)


def _port_key(port: ServicePort) -> bytes:
    return nft.proto(port.protocol) + nft.port(port.node_port)
