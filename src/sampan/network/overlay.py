"""Other nodes: by a route where they are on a network of this node's own, through a VXLAN tunnel where they are not.

A tunnel's end on a node has the first address of the node's range and a hardware address made of it, so every node
knows all the others' without asking. A node that routes to another directly and one that is reached through the tunnel
need not agree: each side decides for itself how it sends.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from . import links, names, plumbing, sysctls
from .contract import NetworkConfig, Overlay
from .links import find_link
from .netlink import NetlinkSocket, Refused

VNI, PORT = 0x5350, 8472
HEADERS = 50  # bytes that a tunnel puts before each packet


@dataclass(frozen=True, slots=True)
class Ways:
    """Ranges by the address of the node that has them."""

    routed: dict[IPv4Network, str]
    tunnelled: dict[IPv4Network, str]


def ways(peers: Mapping[IPv4Network, str], near: Iterable[IPv4Network], overlay: Overlay) -> Ways:
    """Which way leads to each peer. `near`: the networks that this node is on. Pure."""
    networks = list(near)

    def tunnelled(address: str) -> bool:
        if overlay == "auto":
            return not any(IPv4Address(address) in network for network in networks)
        return overlay == "always"

    found = Ways({}, {})
    for destination, address in peers.items():
        (found.tunnelled if tunnelled(address) else found.routed)[destination] = address
    return found


def near_networks(rtnl: NetlinkSocket) -> list[IPv4Network]:
    """What is reached without a gateway, but for what we made ourselves."""
    return [
        route.destination
        for route in links.all_routes(rtnl)
        if route.gateway is None and route.protocol != links.PROTOCOL and 0 < route.destination.prefixlen < 32
    ]


def set_ways(rtnl: NetlinkSocket, config: NetworkConfig, wanted: Ways, mtu: int) -> dict[str, Refused]:
    """Make routes and tunnel be exactly so; the refusals by the address of the node."""
    index = _set_tunnel(rtnl, config, wanted.tunnelled, mtu)
    have = {
        route.destination: (route.gateway, route.oif)
        for route in links.all_routes(rtnl)
        if route.protocol == links.PROTOCOL and route.gateway and route.destination.subnet_of(config.cluster_range)
    }
    for destination in have.keys() - wanted.routed.keys() - wanted.tunnelled.keys():
        rtnl.call(links.drop_route(destination), tolerate=(errno.ESRCH,))
    refused: dict[str, Refused] = {}
    for destination, via in wanted.routed.items():
        gateway, oif = have.get(destination, ("", 0))
        if gateway != via or oif == index:
            _try(rtnl, links.add_route(destination, gateway=via), via, refused)
    for destination, via in wanted.tunnelled.items():
        end = str(destination.network_address)
        if have.get(destination) != (end, index):
            own = plumbing.gateway(config)
            route = links.add_route(destination, oif=index, gateway=end, source=own, mtu=mtu - HEADERS)
            _try(rtnl, route, via, refused)
    return refused


def _try(rtnl: NetlinkSocket, request: links.Request, via: str, refused: dict[str, Refused]) -> None:
    try:
        rtnl.call(request)
    except Refused as refusal:
        refused[via] = refusal


def _set_tunnel(rtnl: NetlinkSocket, config: NetworkConfig, peers: dict[IPv4Network, str], mtu: int) -> int:
    """The device's index; 0 when there is none, as there is nobody to reach through it."""
    name = names.tunnel(config.name)
    if not peers:
        plumbing.drop_link(rtnl, name)
        return 0
    own = str(config.node_range.network_address)
    ends = {str(destination.network_address): node for destination, node in peers.items()}
    made = find_link(rtnl, name)
    if made is not None and not links.neighbours(rtnl, made.index) <= ends.keys():
        plumbing.drop_link(rtnl, name)  # a node is gone: nothing of it stays this way
        made = None
    if made is None:
        rtnl.call(links.make_vxlan(name, vni=VNI, port=PORT, mtu=mtu - HEADERS, mac=plumbing.mac(own)))
        made = find_link(rtnl, name)
        assert made is not None
        sysctls.write_link(name, "rp_filter", "0")  # an answer may come by another way than it would be sent
        rtnl.call(links.quiet_ipv6(made.index), links.add_address(made.index, own), links.set_up(made.index))
    for end, node in ends.items():
        known = links.add_neighbour(made.index, end, plumbing.mac(end))
        rtnl.call(known, links.forward(made.index, plumbing.mac(end), node))
    return made.index
