"""The rules of a Service's spec, and of what may change in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.api import names
from sampan.api.errors import FieldError
from sampan.apiserver.registry.addresses import (
    is_dual_stack,
    is_ipv6,
    parse_ip,
    validate_cidr,
    validate_ip,
    validate_non_special_ip,
    validate_port,
    validate_port_or_name,
    validate_protocol,
)
from sampan.apiserver.registry.field import Errors, shown
from sampan.apiserver.registry.meta import validate_labels

if TYPE_CHECKING:
    from sampan.api.types.core_v1 import Service, ServicePort

TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_SOURCE_RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"
_HINTS = "service.kubernetes.io/topology-aware-hints"
_MODE = "service.kubernetes.io/topology-mode"
_DISTRIBUTION = ("PreferClose", "PreferSameNode", "PreferSameZone")


def is_headless(service: Service) -> bool:
    ips = service.spec.clusterIPs
    return bool(ips) and ips is not None and len(ips) == 1 and ips[0] == "None"


def needs_cluster_ip(service: Service) -> bool:
    return service.spec.type in ("ClusterIP", "NodePort", "LoadBalancer")


def needs_node_port(service: Service) -> bool:
    spec = service.spec
    return spec.type == "NodePort" or (spec.type == "LoadBalancer" and spec.allocateLoadBalancerNodePorts is not False)


def needs_health_port(service: Service) -> bool:
    return service.spec.type == "LoadBalancer" and service.spec.externalTrafficPolicy == "Local"


def externally_accessible(service: Service) -> bool:
    spec = service.spec
    return spec.type in ("LoadBalancer", "NodePort") or (spec.type == "ClusterIP" and bool(spec.externalIPs))


def validate_service(service: Service, errors: Errors) -> None:
    spec = service.spec
    annotations = service.metadata.annotations or {}
    if _HINTS in annotations and _MODE in annotations and annotations[_HINTS] != annotations[_MODE]:
        detail = f"must match annotations[{_HINTS}] when both are specified"
        errors.invalid(f"metadata.annotations[{_MODE}]", annotations[_MODE], detail)
    ports = spec.ports or []
    headless = is_headless(service)
    if not ports and not headless and spec.type != "ExternalName":
        errors.required("spec.ports")
    _by_type(service, headless, errors)
    seen: set[str] = set()
    for index, port in enumerate(ports):
        _port(port, len(ports) > 1, seen, f"spec.ports[{index}]", errors)
    if spec.selector:
        validate_labels(spec.selector, "spec.selector", errors)
    _affinity(service, errors)
    validate_cluster_ips(service, errors)
    for index, ip in enumerate(spec.externalIPs or ()):
        here = f"spec.externalIPs[{index}]"
        if validate_ip(ip, here, errors):
            validate_non_special_ip(ip, here, errors)
    if not spec.type:
        errors.required("spec.type")
    elif spec.type not in TYPES:
        errors.unsupported("spec.type", spec.type, TYPES)
    if spec.type == "ClusterIP":
        for index, port in enumerate(ports):
            if port.nodePort:
                detail = "may not be used when `type` is 'ClusterIP'"
                errors.forbidden(f"spec.ports[{index}].nodePort", detail)
    _repeated(ports, errors)
    _balancer(service, annotations, errors)
    _policies(service, errors)


def _by_type(service: Service, headless: bool, errors: Errors) -> None:
    spec = service.spec
    if spec.type in ("LoadBalancer", "NodePort"):
        if headless:
            errors.invalid("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {spec.type} services")
    elif spec.type == "ExternalName":
        detail = "may not be set for ExternalName services"
        if spec.clusterIPs:
            errors.forbidden("spec.clusterIPs", detail)
        if spec.ipFamilies:
            errors.forbidden("spec.ipFamilies", detail)
        if spec.ipFamilyPolicy is not None:
            errors.forbidden("spec.ipFamilyPolicy", detail)
        name = (spec.externalName or "").removesuffix(".")
        if name:
            errors.each("spec.externalName", name, names.dns1123_subdomain(name))
        else:
            errors.required("spec.externalName")


def _port(port: ServicePort, named: bool, seen: set[str], path: str, errors: Errors) -> None:
    if named and not port.name:
        errors.required(f"{path}.name")
    elif port.name:
        errors.each(f"{path}.name", port.name, names.dns1123_label(port.name))
        if port.name in seen:
            errors.duplicate(f"{path}.name", port.name)
        seen.add(port.name)
    validate_port(port.port, f"{path}.port", errors)
    validate_protocol(port.protocol, f"{path}.protocol", errors)
    validate_port_or_name(port.targetPort if port.targetPort is not None else 0, f"{path}.targetPort", errors)
    if port.appProtocol is not None:
        errors.each(f"{path}.appProtocol", port.appProtocol, names.qualified_name(port.appProtocol))


def _repeated(ports: list[ServicePort], errors: Errors) -> None:
    node_ports: set[tuple[str | None, int]] = set()
    for index, port in enumerate(ports):
        if port.nodePort:
            if (port.protocol, port.nodePort) in node_ports:
                errors.duplicate(f"spec.ports[{index}].nodePort", port.nodePort)
            node_ports.add((port.protocol, port.nodePort))
    pairs: set[tuple[str | None, int]] = set()
    for index, port in enumerate(ports):
        if (port.protocol, port.port) in pairs:
            shape = (
                f'{{"Name":"","Protocol":{shown(port.protocol)},"AppProtocol":null,"Port":{port.port},'
                '"TargetPort":0,"NodePort":0}'
            )
            errors.append(FieldError("FieldValueDuplicate", f"spec.ports[{index}]", f"Duplicate value: {shape}"))
        pairs.add((port.protocol, port.port))


def _affinity(service: Service, errors: Errors) -> None:
    spec = service.spec
    path = "spec.sessionAffinityConfig"
    if not spec.sessionAffinity:
        errors.required("spec.sessionAffinity")
    elif spec.sessionAffinity not in ("ClientIP", "None"):
        errors.unsupported("spec.sessionAffinity", spec.sessionAffinity, ("ClientIP", "None"))
    config = spec.sessionAffinityConfig
    if spec.sessionAffinity == "ClientIP":
        detail = "when session affinity type is ClientIP"
        if config is None:
            errors.required(path, detail)
        elif config.clientIP is None:
            errors.required(f"{path}.clientIP", detail)
        elif config.clientIP.timeoutSeconds is None:
            errors.required(f"{path}.clientIP.timeoutSeconds", detail)
        elif not 0 < config.clientIP.timeoutSeconds <= 86400:
            where = f"{path}.clientIP.timeoutSeconds"
            errors.invalid(where, config.clientIP.timeoutSeconds, "must be greater than 0 and less than 86400")
    elif spec.sessionAffinity == "None" and config is not None:
        errors.forbidden(path, "must not be set when session affinity is None")


def validate_cluster_ips(service: Service, errors: Errors) -> None:
    spec = service.spec
    if spec.type == "ExternalName":
        return
    path, ips = "spec.clusterIPs", spec.clusterIPs or []
    if spec.clusterIP:
        if not ips:
            errors.required(path)
        elif ips[0] != spec.clusterIP:
            errors.invalid(path, ips, "first value must match `clusterIP`")
    elif ips:
        errors.invalid(path, ips, "must be empty when `clusterIP` is not specified")
    families = spec.ipFamilies or []
    for index, family in enumerate(families):
        if family not in ("IPv4", "IPv6"):
            errors.unsupported(f"spec.ipFamilies[{index}]", family, ("IPv4", "IPv6"))
        if family in families[:index]:
            errors.duplicate(f"spec.ipFamilies[{index}]", family)
    policies = ("PreferDualStack", "RequireDualStack", "SingleStack")
    if spec.ipFamilyPolicy is not None and spec.ipFamilyPolicy not in policies:
        errors.unsupported("spec.ipFamilyPolicy", spec.ipFamilyPolicy, policies)
    bad = False
    for index, ip in enumerate(ips):
        if index == 0 and ip == "None":
            if len(ips) > 1:
                bad = True
                errors.invalid(path, ips, "'None' must be the first and only value")
            continue
        bad = not validate_ip(ip, f"{path}[{index}]", errors) or bad
    if len(ips) > 2:
        errors.invalid(path, ips, "may only hold up to 2 values")
    if bad:
        return
    if len(ips) > 1 and not is_dual_stack(ips):
        errors.invalid(path, ips, "may specify no more than one IP for each IP family")
    if not is_headless(service):
        for index, (ip, family) in enumerate(zip(ips, families, strict=False)):
            if (family == "IPv6") != is_ipv6(ip) and family in ("IPv4", "IPv6"):
                detail = f"expected an {family} value as indicated by `ipFamilies[{index}]`"
                errors.invalid(f"{path}[{index}]", ip, detail)


def _balancer(service: Service, annotations: dict[str, str], errors: Errors) -> None:
    spec = service.spec
    only = "may only be used when `type` is 'LoadBalancer'"
    if spec.loadBalancerSourceRanges:
        path = "spec.LoadBalancerSourceRanges"
        if spec.type != "LoadBalancer":
            errors.forbidden(path, only)
        for index, value in enumerate(spec.loadBalancerSourceRanges):
            validate_cidr(value.strip(), f"{path}[{index}]", errors)
    elif _SOURCE_RANGES in annotations:
        path = f"metadata.annotations[{_SOURCE_RANGES}]"
        if spec.type != "LoadBalancer":
            errors.forbidden(path, only)
        if annotations[_SOURCE_RANGES].strip():
            for value in annotations[_SOURCE_RANGES].split(","):
                validate_cidr(value.strip(), path, errors)
    if spec.allocateLoadBalancerNodePorts is not None and spec.type != "LoadBalancer":
        errors.forbidden("spec.allocateLoadBalancerNodePorts", only)
    if spec.type == "LoadBalancer" and spec.allocateLoadBalancerNodePorts is None:
        errors.required("allocateLoadBalancerNodePorts")
    if spec.loadBalancerClass is not None:
        if spec.type != "LoadBalancer":
            errors.forbidden("spec.loadBalancerClass", only)
        else:
            name = spec.loadBalancerClass
            errors.each("spec.loadBalancerClass", name, names.qualified_name(name))


def _policies(service: Service, errors: Errors) -> None:
    spec = service.spec
    policy, path = spec.externalTrafficPolicy, "spec.externalTrafficPolicy"
    if not externally_accessible(service):
        if policy:
            errors.invalid(path, policy, "may only be set for externally-accessible services")
    elif not policy:
        errors.required(path)
    elif policy not in ("Cluster", "Local"):
        errors.unsupported(path, policy, ("Cluster", "Local"))
    health = spec.healthCheckNodePort or 0
    if not needs_health_port(service):
        if health:
            detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
            errors.invalid("spec.healthCheckNodePort", health, detail)
    elif not health:
        errors.required("spec.healthCheckNodePort")
    else:
        validate_port(health, "spec.healthCheckNodePort", errors)
    internal = spec.internalTrafficPolicy
    if internal is None:
        if needs_cluster_ip(service):
            errors.required("spec.internalTrafficPolicy")
    elif internal not in ("Cluster", "Local"):
        errors.unsupported("spec.internalTrafficPolicy", internal, ("Cluster", "Local"))
    distribution = spec.trafficDistribution
    if distribution is not None and distribution not in _DISTRIBUTION:
        errors.unsupported("spec.trafficDistribution", distribution, _DISTRIBUTION)


# --- changes --------------------------------------------------------------------------------------------------------


def validate_service_change(service: Service, old: Service, errors: Errors) -> None:
    if "ExternalName" not in (service.spec.type, old.spec.type):
        _addresses_change(service, old, errors)
        _families_change(service, old, errors)
    spec, before = service.spec, old.spec
    still = spec.type == "LoadBalancer" and before.type == "LoadBalancer"
    if still and spec.loadBalancerClass != before.loadBalancerClass:
        errors.invalid("spec.loadBalancerClass", spec.loadBalancerClass, "may not change once set")
    checked = needs_health_port(old) and needs_health_port(service)
    if checked and before.healthCheckNodePort != spec.healthCheckNodePort:
        errors.forbidden("spec.healthCheckNodePort", "field is immutable")


def _addresses_change(service: Service, old: Service, errors: Errors) -> None:
    if is_headless(service) and is_headless(old):
        return
    ips, before = service.spec.clusterIPs or [], old.spec.clusterIPs or []
    shown_ips = service.spec.clusterIPs
    if len(ips) == len(before):
        for index, ip in enumerate(before):
            if ip != ips[index]:
                errors.invalid(f"spec.clusterIPs[{index}]", shown_ips, "may not change once set")
        return
    if len(before) > len(ips) and not ips:
        errors.invalid("spec.clusterIPs[0]", shown_ips, "primary clusterIP can not be unset")
    if ips and before and ips[0] != before[0]:
        errors.invalid("spec.clusterIPs[0]", shown_ips, "may not change once set")
    if len(before) > len(ips) == 1 and service.spec.ipFamilyPolicy != "SingleStack":
        detail = "must be set to 'SingleStack' when releasing the secondary clusterIP"
        errors.invalid("spec.ipFamilyPolicy", service.spec.ipFamilyPolicy, detail)


def _families_change(service: Service, old: Service, errors: Errors) -> None:
    if is_headless(service) or is_headless(old):
        return
    families, before = service.spec.ipFamilies or [], old.spec.ipFamilies or []
    shown_families = service.spec.ipFamilies
    if len(families) == len(before):
        for index, family in enumerate(before):
            if family != families[index]:
                errors.invalid("spec.ipFamilies[0]", shown_families, "may not change once set")
        return
    if len(before) > len(families) and not families:
        errors.invalid("spec.ipFamilies[0]", shown_families, "primary ipFamily can not be unset")
    if families and before and families[0] != before[0]:
        errors.invalid("spec.ipFamilies[0]", shown_families, "may not change once set")
    if len(before) > len(families) == 1 and service.spec.ipFamilyPolicy != "SingleStack":
        detail = "must be set to 'SingleStack' when releasing the secondary ipFamily"
        errors.invalid("spec.ipFamilyPolicy", service.spec.ipFamilyPolicy, detail)


def validate_service_status(service: Service, errors: Errors) -> None:
    balancer = service.status.loadBalancer
    ingresses = (balancer.ingress if balancer is not None else None) or []
    path = "status.loadBalancer.ingress"
    if ingresses and service.spec.type != "LoadBalancer":
        errors.forbidden(path, "may only be used when `spec.type` is 'LoadBalancer'")
        return
    for index, ingress in enumerate(ingresses):
        here = f"{path}[{index}]"
        if ingress.ip:
            validate_ip(ingress.ip, f"{here}.ip", errors)
            if ingress.ipMode is None:
                errors.required(f"{here}.ipMode", "must be specified when `ip` is set")
        elif ingress.ipMode is not None:
            errors.forbidden(f"{here}.ipMode", "may not be specified when `ip` is not set")
        if ingress.ip and ingress.ipMode not in (None, "Proxy", "VIP"):
            errors.unsupported(f"{here}.ipMode", ingress.ipMode, ("Proxy", "VIP"))
        if ingress.hostname:
            errors.each(f"{here}.hostname", ingress.hostname, names.dns1123_subdomain(ingress.hostname))
            if parse_ip(ingress.hostname) is not None:
                errors.invalid(f"{here}.hostname", ingress.hostname, "must be a DNS name, not an IP address")
