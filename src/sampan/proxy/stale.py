"""Which UDP flows a change has made wrong. Pure.

A TCP connection ends with its endpoint; a UDP flow is only the kernel's memory of where packets went, and a client that
keeps sending keeps it alive. So flows that lead to an endpoint which left, and flows that led nowhere before there was
one, are forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sampan.network.conntrack import Flow
from sampan.proxy.model import Backend, ServicePort


def stale_flows(old: Iterable[ServicePort], new: Iterable[ServicePort]) -> Callable[[Flow], bool] | None:
    """A test for flows to forget after a step from `old` to `new`; None when there can be none."""
    before = {_identity(port): port for port in old if port.protocol == "udp"}
    after = {_identity(port): port for port in new if port.protocol == "udp"}
    gone: set[tuple[str, int, Backend]] = set()  # what was addressed, and who must not answer any more
    appeared: set[tuple[str, int]] = set()
    for identity in before.keys() | after.keys():
        had, has = before.get(identity), after.get(identity)
        then, now = _backends(had), _backends(has)
        for backend in then - now:
            gone.update((address, port, backend) for address, port in _entries(had))
        if now and not then:
            appeared.update(_entries(has))
    if not gone and not appeared:
        return None

    def stale(flow: Flow) -> bool:
        if not flow.translated:
            return (flow.destination, flow.port) in appeared or ("", flow.port) in appeared
        backend = Backend(flow.answered_by, flow.answered_port)
        return (flow.destination, flow.port, backend) in gone or ("", flow.port, backend) in gone

    return stale


def _identity(port: ServicePort) -> tuple[str, str, str, str, int]:
    return port.namespace, port.service, port.name, port.cluster_ip, port.port


def _backends(port: ServicePort | None) -> set[Backend]:
    return {*port.anywhere, *port.here} if port is not None else set()


def _entries(port: ServicePort | None) -> list[tuple[str, int]]:
    """Addresses and ports clients may have used; any address of the node for a node port."""
    if port is None:
        return []
    entries = [(ip, port.port) for ip in (port.cluster_ip, *port.external_ips, *port.load_balancer_ips)]
    if port.node_port:
        entries.append(("", port.node_port))
    return entries
