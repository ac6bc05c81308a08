"""Services and Ingresses from flags."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from sampan.api.goquote import quote
from sampan.cli.generate import GenerateError, Object, head

_RULE = re.compile(
    r"^(?P<host>[\w*.-]*)/?(?P<path>/?[^=]*)=(?P<service>[\w-]+):(?P<port>[\w-]+)(?:,(?P<tls>tls(?:=[\w-]*)?))?$"
)


def service(
    name: str,
    kind: str,
    tcp: Sequence[str],
    *,
    namespace: str = "",
    cluster_ip: str = "",
    node_port: int = 0,
    external_name: str = "",
) -> Object:
    if not tcp and kind != "ExternalName" and cluster_ip != "None":
        raise GenerateError("at least one tcp port specifier must be provided")
    ports = [tcp_port(text, node_port) for text in tcp]
    spec: Object = {}
    if ports:
        spec["ports"] = ports
    spec["selector"] = {"app": name}
    if cluster_ip:
        spec["clusterIP"] = cluster_ip
    spec["type"] = kind
    if external_name:
        spec["externalName"] = external_name
    return head("v1", "Service", name, namespace, {"app": name}) | {"spec": spec, "status": {"loadBalancer": {}}}


def tcp_port(text: str, node_port: int = 0) -> Object:
    """`80`, `80:8080`, `80:http`."""
    first, colon, second = text.partition(":")
    port = _port(first)
    target: int | str = port
    if colon:
        target = _port(second) if second.isdigit() else second
    made: Object = {"name": text.replace(":", "-"), "protocol": "TCP", "port": port, "targetPort": target}
    if node_port:
        made["nodePort"] = node_port
    return made


def exposing(
    name: str,
    selector: dict[str, str],
    ports: Sequence[Object],
    *,
    namespace: str = "",
    labels: dict[str, str] | None = None,
    kind: str = "",
    target_port: str = "",
    external_ip: str = "",
    load_balancer_ip: str = "",
    session_affinity: str = "",
    cluster_ip: str = "",
) -> Object:
    """`ports`: name, port and protocol; several get names."""
    made_ports = []
    for number, one in enumerate(ports, 1):
        port: Object = {"name": one.get("name") or (f"port-{number}" if len(ports) > 1 else "")}
        if not port["name"]:
            del port["name"]
        port |= {"protocol": one.get("protocol") or "TCP", "port": one["port"]}
        target: Any = one.get("targetPort", one["port"])
        if target_port:
            target = int(target_port) if target_port.isdigit() else target_port
        made_ports.append(port | {"targetPort": target})
    spec: Object = {"ports": made_ports, "selector": dict(selector)}
    if cluster_ip:
        spec["clusterIP"] = cluster_ip
    if kind:
        spec["type"] = kind
    if external_ip:
        spec["externalIPs"] = [external_ip]
    if session_affinity:
        spec["sessionAffinity"] = session_affinity
    if load_balancer_ip:
        spec["loadBalancerIP"] = load_balancer_ip
    return head("v1", "Service", name, namespace, labels) | {"spec": spec, "status": {"loadBalancer": {}}}


def ingress(
    name: str,
    rules: Sequence[str],
    *,
    namespace: str = "",
    ingress_class: str = "",
    default_backend: str = "",
    annotations: Sequence[str] = (),
) -> Object:
    if not rules and not default_backend:
        raise GenerateError(
            "not enough information provided: every ingress has to either specify a default-backend (which catches all "
            "traffic) or a list of rules (which catch specific paths)"
        )
    made = head("networking.k8s.io/v1", "Ingress", name, namespace)
    if annotations:
        made["metadata"]["annotations"] = dict(_annotation(text) for text in annotations)
    spec: Object = {}
    if ingress_class:
        spec["ingressClassName"] = ingress_class
    if default_backend:
        service_name, colon, port = default_backend.partition(":")
        if not colon or not service_name or not port:
            raise GenerateError("default-backend should be in format servicename:serviceport")
        spec["defaultBackend"] = _backend(service_name, port)
    hosts: dict[str, list[Object]] = {}
    secrets: dict[str, list[str]] = {}
    for rule in rules:
        found = _RULE.match(rule)
        if found is None:
            raise GenerateError(
                f"rule {rule} is invalid and should be in format host/path=svcname:svcport[,tls[=secret]]"
            )
        host, path = found["host"], f"/{found['path'].lstrip('/')}"
        kind = "Exact"
        if path.endswith("*"):
            path, kind = path[:-1] or "/", "Prefix"
        hosts.setdefault(host, []).append(
            {"path": path, "pathType": kind, "backend": _backend(found["service"], found["port"])}
        )
        if found["tls"]:
            listed = secrets.setdefault(found["tls"].partition("=")[2], [])
            if host and host not in listed:
                listed.append(host)
    if secrets:
        spec["tls"] = [
            ({"hosts": names} if names else {}) | ({"secretName": secret} if secret else {})
            for secret, names in secrets.items()
        ]
    if hosts:
        spec["rules"] = [({"host": host} if host else {}) | {"http": {"paths": paths}} for host, paths in hosts.items()]
    return made | {"spec": spec, "status": {"loadBalancer": {}}}


def _backend(name: str, port: str) -> Object:
    return {"service": {"name": name, "port": {"number": int(port)} if port.isdigit() else {"name": port}}}


def _annotation(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise GenerateError(f"unexpected annotation: {text}")
    return key, value


def _port(text: str) -> int:
    if not text.isdigit():
        raise GenerateError(f"strconv.ParseUint: parsing {quote(text)}: invalid syntax")
    if int(text) > 65535:
        raise GenerateError(f"strconv.ParseUint: parsing {quote(text)}: value out of range")
    return int(text)
