"""Nodes that are network namespaces of one host, joined by a bridge: a cluster of several nodes on one machine.

Each node's agent runs inside its namespace (`namespaces.enter` before it starts a thread) and builds its own
`LocalNetwork` there, as it would on a machine of its own. What leaves through the host is masqueraded.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from . import firewall, links, names, namespaces, plumbing, sysctls
from .leases import Leases
from .links import find_link, open_rtnl
from .nft import Chain, Transaction
from .nft import expressions as nft
from .nft.transaction import POSTROUTING, drop_table, open_netfilter

_RUN = Path("/run/sampan")
_FORWARDING = "ipv4/ip_forward"
_SRCNAT = 100


@dataclass(frozen=True, slots=True)
class NodeSpace:
    name: str
    netns_path: str
    ip: str
    gateway: str  # the host, as the node sees it


class NodeSpaces:
    """Blocking: called while a cluster comes up or goes down. Every call may be repeated."""

    def __init__(
        self, name: str, addresses: IPv4Network, *, run_dir: Path | None = None, register: Path = _RUN / ".sysctls"
    ) -> None:
        self._name = name
        self._range = addresses
        self._host = str(addresses.network_address + 1)
        self._run = run_dir or _RUN / name
        self._leases = Leases(self._run / "node-leases", addresses, reserved=[self._host])
        self._register = sysctls.Register(register)

    @property
    def host_address(self) -> str:
        """Where the nodes find what runs on the host (the API server)."""
        return self._host

    def start(self) -> None:
        self._leases.load()
        self._register.borrow(_FORWARDING, "1", self._signature)
        with open_rtnl() as rtnl:
            bridge = names.node_bridge(self._name)
            rtnl.call(links.make_bridge(bridge, plumbing.find_mtu(rtnl)), tolerate=(errno.EEXIST,))
            found = find_link(rtnl, bridge)
            assert found is not None
            address = links.add_address(found.index, self._host, self._range.prefixlen)
            rtnl.call(links.quiet_ipv6(found.index), links.set_up(found.index), address)
        self._masquerade()

    def _masquerade(self) -> None:
        transaction = Transaction(self._table)
        transaction.replace_table()
        transaction.make_chain(Chain("postrouting", "nat", POSTROUTING, _SRCNAT))
        from_nodes = nft.load_saddr(0), *nft.within(0, self._range)
        outside = nft.load_daddr(0), *nft.within(0, self._range, negate=True)
        leaving = nft.interface(nft.META_OIFNAME, names.node_bridge(self._name), negate=True)
        transaction.add_rule("postrouting", (*from_nodes, *outside, *leaving, nft.masquerade()))
        with open_netfilter() as netfilter:
            transaction.commit(netfilter)
            firewall.let_through(netfilter, self._signature, names.node_bridge(self._name))

    def add(self, node: str) -> NodeSpace:
        lease = self._leases.take(node)
        path = self._path(node)
        namespaces.create(path)
        link = names.node_link(self._name, node)
        with open_rtnl() as rtnl:
            bridge = find_link(rtnl, names.node_bridge(self._name))
            assert bridge is not None
            if find_link(rtnl, link) is None:
                inside = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    rtnl.call(links.make_veth(link, plumbing.INSIDE, inside, mtu=bridge.mtu))
                finally:
                    os.close(inside)
            made = find_link(rtnl, link)
            assert made is not None
            join = links.set_master(made.index, bridge.index)
            rtnl.call(links.quiet_ipv6(made.index), join, links.set_up(made.index))
        with namespaces.entered(path), open_rtnl() as rtnl:
            eth0, loopback = find_link(rtnl, plumbing.INSIDE), find_link(rtnl, "lo")
            assert eth0 is not None
            assert loopback is not None
            rtnl.call(
                links.set_up(loopback.index),
                links.quiet_ipv6(eth0.index),
                links.add_address(eth0.index, lease.ip, self._range.prefixlen),
                links.set_up(eth0.index),
                links.add_route(IPv4Network("0.0.0.0/0"), oif=eth0.index, gateway=self._host),
            )
        with open_rtnl() as rtnl:
            find_link(rtnl, link)  # it came up first: see the end of plumbing.connect
        return NodeSpace(node, str(path), lease.ip, self._host)

    def remove(self, node: str) -> None:
        with open_rtnl() as rtnl:
            plumbing.drop_link(rtnl, names.node_link(self._name, node))
        namespaces.remove(self._path(node))
        self._leases.release(node)

    def nodes(self) -> list[NodeSpace]:
        return [NodeSpace(each.owner, str(self._path(each.owner)), each.ip, self._host) for each in self._leases.all()]

    def teardown(self) -> None:
        self._leases.load()
        for node in self.nodes():
            self.remove(node.name)
        with open_rtnl() as rtnl:
            plumbing.drop_link(rtnl, names.node_bridge(self._name))
            restore = not plumbing.other_bridges(rtnl)
        with open_netfilter() as netfilter:
            firewall.withdraw(netfilter, self._signature)
            drop_table(netfilter, self._table)
        self._register.give_back(_FORWARDING, self._signature, restore=restore)
        for empty in (self._run / "node-leases", self._run / "nodes", self._run, _RUN):
            try:
                empty.rmdir()
            except OSError:
                pass  # not there, or others keep things in it

    @property
    def _table(self) -> str:
        return f"{names.table(self._name)}-nodes"

    @property
    def _signature(self) -> str:
        return f"{self._name}-nodes"

    def _path(self, node: str) -> Path:
        return self._run / "nodes" / node
