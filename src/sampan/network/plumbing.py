"""The steps that join one workload to the node, and the node's own part. Blocking and short; called from one thread.

Each workload has a pair of interfaces: `eth0` in its namespace with a /32 address, the other end on the host with a
route to that address. All traffic of a workload is routed by the host, also between two of one node: so translation
of Service addresses works in both directions without the kernel's bridge filter (a module, a global switch and a cost
for every bridge of the host), a workload may talk to itself through a Service, and nobody can answer ARP for another.
Neighbours are set for good on both sides: there is no ARP to wait for on the first packet.
"""

from __future__ import annotations

import errno
import os
import secrets
import socket
from ipaddress import IPv4Network
from pathlib import Path

from . import links, names, namespaces, sysctls
from .contract import NetworkConfig
from .links import find_link, open_rtnl
from .netlink import NetlinkSocket, Refused

INSIDE = "eth0"
_HOST_MAC = bytes.fromhex("02736d706e01")  # every host end has it: a workload's gateway looks the same everywhere
_LOOPBACK_INDEX = 1
_DEFAULT_MTU = 1500


def gateway(config: NetworkConfig) -> str:
    return str(config.node_range.network_address + 1)


def mac(ip: str) -> bytes:
    return b"\x02\x73" + socket.inet_aton(ip)


def find_mtu(rtnl: NetlinkSocket) -> int:
    """That of the link which leads out, so that no packet between nodes has to be cut."""
    by_index = {link.index: link for link in links.all_links(rtnl)}
    for route in links.all_routes(rtnl):
        if route.destination.prefixlen == 0 and route.oif in by_index:
            return by_index[route.oif].mtu
    return _DEFAULT_MTU


def make_home(rtnl: NetlinkSocket, config: NetworkConfig, mtu: int) -> None:
    """The device with the node's gateway address and the other addresses it answers on; routes that end here."""
    name, own = names.home(config.name), gateway(config)
    try:
        rtnl.call(links.make_bridge(name, mtu), tolerate=(errno.EEXIST,))
    except Refused as refused:  # nothing is ever plugged into it: a dummy will do where there are no bridges
        if refused.errno != errno.EOPNOTSUPP:
            raise
        rtnl.call(links.make_bridge(name, mtu, kind="dummy"), tolerate=(errno.EEXIST,))
    home = find_link(rtnl, name)
    assert home is not None
    requests = [links.quiet_ipv6(home.index), links.set_up(home.index), links.add_address(home.index, own)]
    requests += [links.add_address(home.index, address) for address in config.local_addresses]
    if config.service_range is not None:
        requests.append(links.add_route(config.service_range, oif=home.index, source=own))
    requests.append(links.add_unreachable(config.node_range))  # an address nobody has: say so at once
    rtnl.call(*requests)


def connect(rtnl: NetlinkSocket, config: NetworkConfig, workload_id: str, ip: str, path: Path, mtu: int) -> str:
    """Namespace, interfaces, address and routes; whatever is there already stays. The host end's name."""
    namespaces.create(path)
    name = names.veth(config.name, workload_id)
    host_end = find_link(rtnl, name)
    if host_end is None:
        inside = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            rtnl.call(links.make_veth(name, INSIDE, inside, mtu=mtu, mac=_HOST_MAC, peer_mac=mac(ip)))
        finally:
            os.close(inside)
        host_end = find_link(rtnl, name)
        assert host_end is not None
    sysctls.write_link(name, "route_localnet", "1")  # host ports and node ports on 127.0.0.1; see rules.py "guard"
    sysctls.write_link(name, "rp_filter", "0")  # the guard looks at sources
    with namespaces.entered(path):
        inside_rtnl = open_rtnl()  # stays in there when we are out again
    with inside_rtnl:
        _configure_inside(inside_rtnl, ip, gateway(config))
        rtnl.call(
            links.quiet_ipv6(host_end.index),
            links.set_up(host_end.index),
            links.add_route(IPv4Network(ip), oif=host_end.index, source=gateway(config)),
            links.add_neighbour(host_end.index, ip, mac(ip)),
        )
        # An end notices its cable only later, and drops what is sent until then (a client would wait a second before it
        # tries again). Asking for its state makes it look now.
        find_link(inside_rtnl, INSIDE)
        find_link(rtnl, name)
    return name


def _configure_inside(rtnl: NetlinkSocket, ip: str, via: str) -> None:
    eth0 = find_link(rtnl, INSIDE)
    assert eth0 is not None
    rtnl.call(
        links.set_up(_LOOPBACK_INDEX),
        links.quiet_ipv6(eth0.index),
        links.set_up(eth0.index),
        links.add_address(eth0.index, ip),
        links.add_neighbour(eth0.index, via, _HOST_MAC),
        links.add_route(IPv4Network(via), oif=eth0.index),
        links.add_route(IPv4Network("0.0.0.0/0"), oif=eth0.index, gateway=via),
    )


def disconnect(rtnl: NetlinkSocket, config: NetworkConfig, workload_ids: list[str]) -> None:
    """The pairs go (and with them routes and neighbours), and the namespaces, whoever still sits in them."""
    present = {link.name for link in links.all_links(rtnl)}
    going = [name for name in (names.veth(config.name, each) for each in workload_ids) if name in present]
    if going:
        group = 0x53500000 | secrets.randbits(20)
        rtnl.call(*(links.join_group(name, group) for name in going), tolerate=(errno.ENODEV,))
        rtnl.call(links.drop_group(group), tolerate=(errno.ENODEV,))
    for workload_id in workload_ids:
        namespaces.remove(namespace_path(config, workload_id))


def namespace_path(config: NetworkConfig, workload_id: str) -> Path:
    return config.run_dir / "netns" / workload_id


def drop_link(rtnl: NetlinkSocket, name: str) -> None:
    rtnl.call(links.drop_link(name), tolerate=(errno.ENODEV,))


def drop_routes(rtnl: NetlinkSocket, config: NetworkConfig) -> None:
    """Our own range's, which no device takes with it."""
    rtnl.call(links.drop_route(config.node_range), tolerate=(errno.ESRCH,))


def other_bridges(rtnl: NetlinkSocket) -> bool:
    """Somebody else on this host may rely on forwarding by now."""
    ours = ("sp-", "sb-")
    return any(link.kind == "bridge" and link.up and not link.name.startswith(ours) for link in links.all_links(rtnl))
