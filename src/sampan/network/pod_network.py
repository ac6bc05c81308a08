"""`PodNetwork` on this host. An attachment's story: lease an address, make namespace and interfaces, open host ports.

Truth on disk is the lease; it is written first and removed last, so a crash anywhere leaves something that `recover`
finds and finishes. The kernel serialises such changes anyway, so one worker thread does them all, in order, off the
event loop. Only the removal of interfaces, for which the kernel takes its time, has a thread of its own: it takes all
that wait at once, and nobody's start waits for somebody's end.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Network
from pathlib import Path
from typing import TypeVar

from . import conntrack, firewall, links, names, namespaces, overlay, plumbing, rules, sysctls
from .contract import Attachment, HostPort, HostPortTaken, IdRange, NetworkConfig, NetworkError
from .leases import Lease, Leases
from .netlink import NetlinkSocket
from .nft import Transaction
from .nft.transaction import drop_table, open_netfilter, table_exists

_RUN = Path("/run/sampan")
_FORWARDING = "ipv4/ip_forward"
# Half-closed connections are followed for an hour instead of a minute, as Kubernetes' proxy has it: whoever is still
# sending would else lose the way back through a translated address.
_CLOSE_WAIT, _CLOSE_WAIT_SECONDS = "netfilter/nf_conntrack_tcp_timeout_close_wait", "3600"
_T = TypeVar("_T")
log = logging.getLogger(__name__)


class LocalNetwork:
    """The node is the network namespace at `netns`, by default the one this process is in."""

    def __init__(
        self, config: NetworkConfig, *, netns: str | Path = namespaces.PROCESS, register: Path = _RUN / ".sysctls"
    ) -> None:
        run_dir = config.run_dir if config.run_dir != Path() else _RUN / config.name
        state_dir = config.state_dir if config.state_dir != Path() else run_dir
        self.config = dataclasses.replace(config, run_dir=run_dir, state_dir=state_dir)
        self._leases = Leases(state_dir / "leases", config.node_range, reserved=[plumbing.gateway(config)])
        self._register = sysctls.Register(register)
        self._table = names.table(config.name)
        self._peers: dict[IPv4Network, str] = {}
        self._mtu = self._outer_mtu = 0
        self._rtnl: NetlinkSocket | None = None
        self._netfilter: NetlinkSocket | None = None
        self._thread = ThreadPoolExecutor(1, "network", namespaces.enter, (netns,))
        self._reaper = ThreadPoolExecutor(1, "network-reaper", namespaces.enter, (netns,))
        self._reaper_rtnl: NetlinkSocket | None = None
        self._to_reap: deque[str] = deque()  # filled by the event loop, emptied by the reaper's thread
        self._leaving: dict[str, asyncio.Task[None]] = {}

    # -- the contract

    async def start(self) -> None:
        await self._run(self._start)

    async def attach(
        self, workload_id: str, *, host_ports: Iterable[HostPort] = (), ids: IdRange | None = None
    ) -> Attachment:
        ports = tuple(host_ports)
        if (leaving := self._leaving.get(workload_id)) is not None:
            await asyncio.shield(leaving)
        return await self._run(lambda: self._attach(workload_id, ports, ids))

    async def detach(self, workload_id: str) -> None:
        leaving = self._leaving.get(workload_id)
        if leaving is None:
            leaving = self._leaving[workload_id] = asyncio.create_task(self._detach(workload_id))
            leaving.add_done_callback(lambda _: self._leaving.pop(workload_id, None))
        await asyncio.shield(leaving)  # once begun it is finished, whoever stops waiting

    async def get(self, workload_id: str) -> Attachment | None:
        lease = self._leases.get(workload_id)
        return self._attachment(lease) if lease else None

    async def attached(self) -> list[Attachment]:
        return [self._attachment(lease) for lease in self._leases.all()]

    async def recover(self) -> list[Attachment]:
        return await self._run(self._recover)

    async def set_peers(self, routes: Mapping[IPv4Network, str]) -> None:
        wanted = dict(routes)
        await self._run(lambda: self._set_peers(wanted))

    async def teardown(self) -> None:
        await self._run(self._teardown)

    async def close(self) -> None:
        """Let go of sockets and thread; everything made stays."""
        await self._run(self._close)
        self._thread.shutdown(wait=False)
        self._reaper.shutdown(wait=False)

    # -- in the worker thread

    async def _run(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _close(self) -> None:
        for open_socket in (self._rtnl, self._netfilter, self._reaper_rtnl):
            if open_socket is not None:
                open_socket.close()
        self._rtnl = self._netfilter = self._reaper_rtnl = None

    def _sockets(self) -> tuple[NetlinkSocket, NetlinkSocket]:
        if self._rtnl is None:
            self._rtnl = links.open_rtnl()
        if self._netfilter is None:
            self._netfilter = open_netfilter()
        return self._rtnl, self._netfilter

    def _start(self) -> None:
        rtnl, _ = self._sockets()
        self._outer_mtu = plumbing.find_mtu(rtnl)
        own = self._outer_mtu - overlay.HEADERS if self.config.overlay == "always" else self._outer_mtu
        self._mtu = self.config.mtu or own
        self._register.borrow(_FORWARDING, "1", self._signature)
        plumbing.make_home(rtnl, self.config, self._mtu)
        self._leases.load()
        self._recover()
        if sysctls.exists(_CLOSE_WAIT):  # not in every kernel; where it is, the rules have brought it about
            self._register.borrow(_CLOSE_WAIT, _CLOSE_WAIT_SECONDS, self._signature)

    @property
    def _signature(self) -> str:
        return f"{self.config.name}-{self.config.node_range.network_address}"

    def _recover(self) -> list[Attachment]:
        rtnl, _ = self._sockets()
        directory = self.config.run_dir / "netns"
        for lease in self._leases.all():
            if not namespaces.is_namespace(self._path(lease.owner)):  # half-made, or before a reboot
                self._undo(lease.owner)
                continue
            plumbing.connect(rtnl, self.config, lease.owner, lease.ip, self._path(lease.owner), self._mtu)
        known = {names.veth(self.config.name, lease.owner) for lease in self._leases.all()}
        for link in links.all_links(rtnl):
            if link.name.startswith(names.veth_prefix(self.config.name)) and link.name not in known:
                plumbing.drop_link(rtnl, link.name)
        for path in directory.iterdir() if directory.exists() else ():
            if self._leases.get(path.name) is None:
                namespaces.remove(path)
        self._write_rules()
        self._pass_firewall()
        return [self._attachment(lease) for lease in self._leases.all()]

    def _write_rules(self, *, without: str = "") -> None:
        """The whole table in one step: there is no moment without it."""
        transaction = Transaction(self._table)
        rules.build(transaction, self.config)
        for lease in self._leases.all():
            for name, elements in rules.elements(lease).items() if lease.owner != without else ():
                transaction.add_elements(name, elements)
        transaction.add_elements(rules.PEERS, rules.peer_elements(set(self._peers.values())))
        transaction.commit(self._sockets()[1])

    def _pass_firewall(self) -> None:
        firewall.let_through(self._sockets()[1], self.config.name, names.veth_prefix(self.config.name) + "*")

    def _attach(self, workload_id: str, ports: tuple[HostPort, ...], ids: IdRange | None) -> Attachment:
        if "/" in workload_id or workload_id in ("", ".", ".."):
            raise NetworkError(f"{workload_id!r} cannot be a workload's id")
        rtnl, netfilter = self._sockets()
        if not self._mtu:
            raise NetworkError("the network of this node has not been started")
        held = self._leases.get(workload_id)
        if held is not None and namespaces.is_namespace(self._path(workload_id)):
            return self._attachment(held)
        taken = rules.conflict(ports, [lease for lease in self._leases.all() if lease.owner != workload_id])
        if taken is not None:
            port, owner = taken
            raise HostPortTaken(f"{port.protocol} port {port.host_port} of the host is held by {owner}")
        lease = self._leases.take(workload_id, ports)
        try:
            namespaces.create(self._path(workload_id), ids)
            plumbing.connect(rtnl, self.config, workload_id, lease.ip, self._path(workload_id), self._mtu)
            self._open_ports(netfilter, lease)
        except BaseException:
            self._undo(workload_id)
            raise
        return self._attachment(lease)

    def _open_ports(self, netfilter: NetlinkSocket, lease: Lease) -> None:
        if not lease.host_ports:
            return
        transaction = Transaction(self._table)
        for name, elements in rules.elements(lease).items():
            transaction.add_elements(name, elements)
        transaction.commit(netfilter)
        udp = {port.host_port for port in lease.host_ports if port.protocol == "udp"}
        if udp:  # senders that tried before we listened would go on unheard
            conntrack.forget(netfilter, lambda flow: flow.port in udp and not flow.translated)

    async def _detach(self, workload_id: str) -> None:
        await self._run(lambda: self._close_ports(workload_id))
        self._to_reap.append(workload_id)
        await asyncio.get_running_loop().run_in_executor(self._reaper, self._reap)
        await self._run(lambda: self._leases.release(workload_id))

    def _close_ports(self, workload_id: str) -> None:
        lease = self._leases.get(workload_id)
        if lease is None or not lease.host_ports:
            return
        _, netfilter = self._sockets()
        transaction = Transaction(self._table)
        for name, elements in rules.elements(lease).items():
            transaction.drop_elements(name, elements)
        try:
            transaction.commit(netfilter)
        except NetworkError as error:
            log.warning("rules were changed by somebody else (%s); writing them anew", error)
            self._write_rules(without=workload_id)
        if any(port.protocol == "udp" for port in lease.host_ports):
            conntrack.forget(netfilter, lambda flow: flow.translated and flow.answered_by == lease.ip)

    def _reap(self) -> None:
        """All that wait by now; who comes later finds its own already done."""
        waiting = [self._to_reap.popleft() for _ in range(len(self._to_reap))]
        if not waiting:
            return
        try:
            if self._reaper_rtnl is None:
                self._reaper_rtnl = links.open_rtnl()
            plumbing.disconnect(self._reaper_rtnl, self.config, waiting)
        except BaseException:
            self._to_reap.extend(waiting)  # those who wait behind must not take theirs for done
            raise

    def _undo(self, *workload_ids: str) -> None:
        plumbing.disconnect(self._sockets()[0], self.config, list(workload_ids))
        for workload_id in workload_ids:
            self._leases.release(workload_id)

    def _set_peers(self, wanted: dict[IPv4Network, str]) -> None:
        rtnl, netfilter = self._sockets()
        self._pass_firewall()  # one may have come meanwhile
        if not table_exists(netfilter, self._table):
            log.warning("the rules of this node were removed by somebody else; writing them anew")
            self._write_rules()
        ways = overlay.ways(wanted, overlay.near_networks(rtnl), self.config.overlay)
        refused = overlay.set_ways(rtnl, self.config, ways, self._outer_mtu)
        # Nodes behind a tunnel are themselves not in it: they would not know where to answer to.
        if set(ways.routed.values()) != set(self._peers.values()):
            transaction = Transaction(self._table)
            transaction.flush_set(rules.PEERS)
            transaction.add_elements(rules.PEERS, rules.peer_elements(set(ways.routed.values())))
            transaction.commit(netfilter)
        self._peers = ways.routed
        if refused:
            via, why = next(iter(refused.items()))
            raise NetworkError(f"no way to the node at {via}: {why}")

    def _teardown(self) -> None:
        rtnl, netfilter = self._sockets()
        self._leases.load()
        self._undo(*(lease.owner for lease in self._leases.all()))
        directory = self.config.run_dir / "netns"
        for path in directory.iterdir() if directory.exists() else ():
            namespaces.remove(path)
        for link in links.all_links(rtnl):
            if link.name.startswith(names.veth_prefix(self.config.name)):
                plumbing.drop_link(rtnl, link.name)
        firewall.withdraw(netfilter, self.config.name)
        drop_table(netfilter, self._table)
        overlay.set_ways(rtnl, self.config, overlay.Ways({}, {}), self._outer_mtu)
        plumbing.drop_routes(rtnl, self.config)
        plumbing.drop_link(rtnl, names.home(self.config.name))
        restore = not plumbing.other_bridges(rtnl)
        self._register.give_back(_FORWARDING, self._signature, restore=restore)
        self._register.give_back(_CLOSE_WAIT, self._signature)
        for empty in (self.config.state_dir / "leases", self.config.state_dir, directory, self.config.run_dir, _RUN):
            try:
                os.rmdir(empty)
            except OSError:
                pass  # not there, or others keep things in it
        self._peers, self._mtu = {}, 0

    # -- pure

    def _path(self, workload_id: str) -> Path:
        return plumbing.namespace_path(self.config, workload_id)

    def _attachment(self, lease: Lease) -> Attachment:
        return Attachment(
            id=lease.owner,
            netns_path=str(self._path(lease.owner)),
            ip=lease.ip,
            gateway=plumbing.gateway(self.config),
            mtu=self._mtu,
            interface=names.veth(self.config.name, lease.owner),
            host_ports=lease.host_ports,
        )
