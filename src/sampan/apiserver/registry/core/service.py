"""Services: ports, addresses, and which of a Service's fields belong to which type.

Addresses and node ports are allocated by `service_alloc.py` between `prepare_for_create` and `validate`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, ClassVar

from sampan.api.types.core_v1 import ClientIPConfig, Service, SessionAffinityConfig
from sampan.apiserver.registry import meta
from sampan.apiserver.registry.addresses import cidr_warnings, ip_warnings
from sampan.apiserver.registry.core.service_rules import (
    externally_accessible,
    is_headless,
    needs_cluster_ip,
    needs_health_port,
    needs_node_port,
    validate_service,
    validate_service_change,
    validate_service_status,
)
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.printing import age_of, format_labels
from sampan.apiserver.registry.strategy import AGE, NAME, Column, Strategy, WriteContext

CLIENT_IP_SECONDS = 10800


class ServiceStrategy(Strategy):
    columns: ClassVar[tuple[Column, ...]] = (
        NAME,
        Column("Type", description="How it can be reached."),
        Column("Cluster-IP", description="Its address in the cluster."),
        Column("External-IP", description="Its addresses outside."),
        Column("Port(s)", description="Its ports, node ports and protocols."),
        AGE,
        Column("Selector", description="How it finds its Pods.", priority=1),
    )
    field_labels: ClassVar[frozenset[str]] = frozenset(("spec.clusterIP", "spec.type"))
    reset_fields: ClassVar[tuple[str, ...]] = ("status",)
    status_reset_fields: ClassVar[tuple[str, ...]] = ("spec",)
    returns_deleted: ClassVar[bool] = True

    def set_defaults(self, obj: Service) -> None:
        spec = obj.spec
        if not spec.sessionAffinity:
            spec.sessionAffinity = "None"
        if spec.sessionAffinity == "None":
            spec.sessionAffinityConfig = None
        elif spec.sessionAffinity == "ClientIP":
            config = spec.sessionAffinityConfig
            if config is None or config.clientIP is None or config.clientIP.timeoutSeconds is None:
                spec.sessionAffinityConfig = SessionAffinityConfig(
                    clientIP=ClientIPConfig(timeoutSeconds=CLIENT_IP_SECONDS)
                )
        if not spec.type:
            spec.type = "ClusterIP"
        for port in spec.ports or ():
            if not port.protocol:
                port.protocol = "TCP"
            if port.targetPort in (None, 0, ""):
                port.targetPort = port.port
            if port.nodePort == 0:
                port.nodePort = None
        if externally_accessible(obj) and not spec.externalTrafficPolicy:
            spec.externalTrafficPolicy = "Cluster"
        if spec.internalTrafficPolicy is None and spec.type in ("NodePort", "LoadBalancer", "ClusterIP"):
            spec.internalTrafficPolicy = "Cluster"
        if spec.type == "LoadBalancer" and spec.allocateLoadBalancerNodePorts is None:
            spec.allocateLoadBalancerNodePorts = True
        for ingress in (obj.status.loadBalancer.ingress if obj.status.loadBalancer is not None else None) or ():
            if ingress.ip and ingress.ipMode is None:
                ingress.ipMode = "VIP"

    def prepare_for_create(self, obj: Service, context: WriteContext) -> None:
        obj.status = type(obj.status)()
        spec = obj.spec
        if spec.clusterIP and not spec.clusterIPs:
            spec.clusterIPs = [spec.clusterIP]

    def prepare_for_update(self, obj: Service, old: Service) -> None:
        obj.status = old.status
        self.count_generation(obj, old)
        _keep_allocated(obj, old)
        _sync_cluster_ips(obj, old)
        _drop_of_old_type(obj, old)

    def prepare_for_status_update(self, obj: Service, old: Service) -> None:
        obj.spec = old.spec

    def validate_name(self, name: str, prefix: bool) -> Iterable[str]:
        return meta.label_name(name, prefix)

    def validate_spec(self, obj: Service, errors: Errors) -> None:
        validate_service(obj, errors)

    def validate_update(self, obj: Service, old: Service) -> Errors:
        errors = meta.validate_object_meta_update(obj.metadata, old.metadata)
        validate_service_change(obj, old, errors)
        validate_service(obj, errors)
        return errors

    def validate_status(self, obj: Service, old: Service, errors: Errors) -> None:
        validate_service_status(obj, errors)

    def warnings(self, obj: Service, old: Service | None) -> list[str]:
        found: list[str] = []
        if not is_headless(obj):
            for index, address in enumerate(obj.spec.clusterIPs or ()):
                found += ip_warnings(address, f"spec.clusterIPs[{index}]")
        if obj.spec.type == "ExternalName" and obj.spec.externalIPs:
            found.append('spec.externalIPs is ignored when spec.type is "ExternalName"')
        if obj.spec.type != "ExternalName" and obj.spec.externalName:
            found.append('spec.externalName is ignored when spec.type is not "ExternalName"')
        if is_headless(obj) and obj.spec.loadBalancerIP:
            found.append("spec.loadBalancerIP is ignored for headless services")
        if is_headless(obj) and obj.spec.externalIPs:
            found.append("spec.externalIPs is ignored for headless services")
        if is_headless(obj) and obj.spec.sessionAffinity == "ClientIP":
            found.append("spec.SessionAffinity is ignored for headless services")
        for index, address in enumerate(obj.spec.externalIPs or ()):
            found += ip_warnings(address, f"spec.externalIPs[{index}]")
        if obj.spec.loadBalancerIP:
            found += ip_warnings(obj.spec.loadBalancerIP, "spec.loadBalancerIP")
        for index, network in enumerate(obj.spec.loadBalancerSourceRanges or ()):
            found += cidr_warnings(network, f"spec.loadBalancerSourceRanges[{index}]")
        if obj.spec.trafficDistribution == "PreferClose":
            found.append("spec.trafficDistribution: PreferClose is deprecated, use PreferSameZone instead")
        return found

    def selectable_fields(self, obj: Service) -> dict[str, str]:
        return {
            **super().selectable_fields(obj),
            "spec.clusterIP": obj.spec.clusterIP or "",
            "spec.type": obj.spec.type or "",
        }

    def cells(self, obj: Service, now: datetime) -> list[Any]:
        return [
            obj.metadata.name or "",
            obj.spec.type or "",
            obj.spec.clusterIP or "<none>",
            _external(obj),
            _ports(obj),
            age_of(obj, now),
            format_labels(obj.spec.selector),
        ]


def _keep_allocated(obj: Service, old: Service) -> None:
    """What was allocated stays, when the client does not say."""
    spec, before = obj.spec, old.spec
    if needs_cluster_ip(old) and needs_cluster_ip(obj):
        if not spec.clusterIP and not (spec.clusterIPs and spec.clusterIPs != before.clusterIPs):
            spec.clusterIP = before.clusterIP
        if not spec.clusterIPs and spec.clusterIP == before.clusterIP:
            spec.clusterIPs = before.clusterIPs
    if not spec.ipFamilies and obj.spec.type != "ExternalName" and before.type != "ExternalName":
        spec.ipFamilies = before.ipFamilies
    if spec.ipFamilyPolicy is None and obj.spec.type != "ExternalName":
        spec.ipFamilyPolicy = before.ipFamilyPolicy
    if needs_node_port(old) and needs_node_port(obj):
        by_name = {p.name or "": p.nodePort for p in before.ports or ()}
        used = {p.nodePort for p in spec.ports or () if p.nodePort}
        for port in spec.ports or ():
            if not port.nodePort:
                kept = by_name.get(port.name or "")
                if kept and kept not in used:
                    port.nodePort = kept
                    used.add(kept)
    if needs_health_port(old) and needs_health_port(obj) and not spec.healthCheckNodePort:
        spec.healthCheckNodePort = before.healthCheckNodePort


def _sync_cluster_ips(obj: Service, old: Service) -> None:
    """Clients may write either of the two fields; the other follows."""
    spec, before = obj.spec, old.spec
    same = (spec.clusterIPs or []) == (before.clusterIPs or [])
    if (spec.clusterIP or "") != (before.clusterIP or ""):
        if same:
            spec.clusterIPs = [spec.clusterIP, *(before.clusterIPs or [])[1:]] if spec.clusterIP else None
    elif not same:
        if spec.clusterIPs:
            spec.clusterIP = spec.clusterIPs[0]
        else:
            spec.clusterIP = None


def _drop_of_old_type(obj: Service, old: Service) -> None:
    """A change of type takes along what only the old type had, unless the client said otherwise."""
    spec, before = obj.spec, old.spec
    if needs_cluster_ip(old) and not needs_cluster_ip(obj):
        if (spec.clusterIPs or []) == (before.clusterIPs or []):
            spec.clusterIP, spec.clusterIPs = None, None
        if spec.ipFamilies == before.ipFamilies:
            spec.ipFamilies = None
        if spec.ipFamilyPolicy == before.ipFamilyPolicy:
            spec.ipFamilyPolicy = None
    had = {p.nodePort for p in before.ports or ()} | {None}
    if needs_node_port(old) and not needs_node_port(obj) and {p.nodePort for p in spec.ports or ()} <= had:
        for port in spec.ports or ():
            port.nodePort = None
    if needs_health_port(old) and not needs_health_port(obj) and spec.healthCheckNodePort == before.healthCheckNodePort:
        spec.healthCheckNodePort = None
    if before.type == "LoadBalancer" and spec.type != "LoadBalancer":
        for wire in ("allocateLoadBalancerNodePorts", "loadBalancerClass"):
            if getattr(spec, wire) == getattr(before, wire):
                setattr(spec, wire, None)
    if (
        externally_accessible(old)
        and not externally_accessible(obj)
        and spec.externalTrafficPolicy == before.externalTrafficPolicy
    ):
        spec.externalTrafficPolicy = None


def _external(obj: Service) -> str:
    spec = obj.spec
    given = ",".join(spec.externalIPs or ())
    match spec.type:
        case "ClusterIP" | "NodePort":
            return given or "<none>"
        case "ExternalName":
            return spec.externalName or ""
        case "LoadBalancer":
            balancer = obj.status.loadBalancer
            found = sorted({i.ip or i.hostname or "" for i in (balancer.ingress if balancer else None) or ()} - {""})
            return ",".join([*found, *(spec.externalIPs or ())]) or "<pending>"
    return "<unknown>"


def _ports(obj: Service) -> str:
    texts = []
    for port in obj.spec.ports or ():
        node = f":{port.nodePort}" if port.nodePort else ""
        texts.append(f"{port.port}{node}/{port.protocol}")
    return ",".join(texts) or "<none>"
