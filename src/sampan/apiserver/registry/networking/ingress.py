"""Ingresses: which requests from outside go to which Service."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sampan.api import names
from sampan.api.types.networking_v1 import HTTPIngressPath, Ingress, IngressBackend
from sampan.apiserver.registry import meta
from sampan.apiserver.registry.addresses import parse_ip, validate_ip, validate_port
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.printing import age_of
from sampan.apiserver.registry.strategy import AGE, NAME, Column, Strategy

_CLASS = "kubernetes.io/ingress.class"
_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_IN_PATHS = ("//", "/./", "/../", "%2f", "%2F")
_AT_END = ("/..", "/.")


class IngressStrategy(Strategy):
    columns: ClassVar[tuple[Column, ...]] = (
        NAME,
        Column("Class", description="Which controller it is for."),
        Column("Hosts", description="The hosts it answers for."),
        Column("Address", description="Where it can be reached."),
        Column("Ports", description="Its ports."),
        AGE,
    )
    generation_fields: ClassVar[tuple[str, ...]] = ("spec",)
    reset_fields: ClassVar[tuple[str, ...]] = ("status",)
    status_reset_fields: ClassVar[tuple[str, ...]] = ("spec",)

    def set_defaults(self, obj: Ingress) -> None:
        """Everything has to be said."""

    def validate(self, obj: Ingress) -> Errors:
        errors = super().validate(obj)
        annotation, name = (obj.metadata.annotations or {}).get(_CLASS), obj.spec.ingressClassName
        if annotation is not None and name is not None and annotation != name:
            detail = "must match `ingressClassName` when both are specified"
            errors.invalid("annotations." + _CLASS, annotation, detail)
        return errors

    def validate_spec(self, obj: Ingress, errors: Errors) -> None:
        spec = obj.spec
        if not spec.rules and spec.defaultBackend is None:
            errors.invalid("spec", spec.rules, "either `defaultBackend` or `rules` must be specified")
        if spec.defaultBackend is not None:
            _backend(spec.defaultBackend, "spec.defaultBackend", errors)
        for index, rule in enumerate(spec.rules or ()):
            here = f"spec.rules[{index}]"
            if rule.host:
                _host(rule.host, f"{here}.host", errors)
            if rule.http is not None:
                if not rule.http.paths:
                    errors.required(f"{here}.http.paths")
                for at, path in enumerate(rule.http.paths or ()):
                    _path(path, f"{here}.http.paths[{at}]", errors)
        for index, tls in enumerate(spec.tls or ()):
            for at, host in enumerate(tls.hosts or ()):
                where = f"spec.tls[{index}].hosts[{at}]"
                wild = "*" in host
                errors.each(where, host, (names.wildcard_dns1123_subdomain if wild else names.dns1123_subdomain)(host))
            if tls.secretName:
                errors.each(f"spec.tls[{index}].secretName", tls.secretName, names.dns1123_subdomain(tls.secretName))
        if spec.ingressClassName is not None:
            objections = names.dns1123_subdomain(spec.ingressClassName)
            errors.each("spec.ingressClassName", spec.ingressClassName, objections)

    def validate_status(self, obj: Ingress, old: Ingress, errors: Errors) -> None:
        path = "status.loadBalancer.ingress"
        for index, ingress in enumerate(obj.status.loadBalancer.ingress or ()):
            if ingress.ip:
                validate_ip(ingress.ip, f"{path}[{index}].ip", errors)
            if ingress.hostname:
                where = f"{path}[{index}].hostname"
                errors.each(where, ingress.hostname, names.dns1123_subdomain(ingress.hostname))
                if parse_ip(ingress.hostname) is not None:
                    errors.invalid(where, ingress.hostname, "must be a DNS name, not an IP address")

    def warnings(self, obj: Ingress, old: Ingress | None) -> list[str]:
        if _CLASS in (obj.metadata.annotations or {}):
            return [f"annotation \"{_CLASS}\" is deprecated, please use 'spec.ingressClassName' instead"]
        return []

    def cells(self, obj: Ingress, now: datetime) -> list[Any]:
        spec = obj.spec
        hosts = [rule.host for rule in spec.rules or () if rule.host]
        addresses = sorted({i.ip or i.hostname or "" for i in obj.status.loadBalancer.ingress or ()} - {""})
        named = spec.ingressClassName or (obj.metadata.annotations or {}).get(_CLASS)
        return [
            obj.metadata.name or "",
            named or "<none>",
            _format_hosts(hosts),
            ",".join(addresses),
            "80, 443" if spec.tls else "80",
            age_of(obj, now),
        ]


def _format_hosts(hosts: list[str]) -> str:
    if not hosts:
        return "*"
    text = ",".join(hosts[:3])
    return f"{text} + {len(hosts) - 3} more..." if len(hosts) > 3 else text


def _host(host: str, path: str, errors: Errors) -> None:
    if parse_ip(host) is not None:
        errors.invalid(path, host, "must be a DNS name, not an IP address")
    elif "*" in host:
        errors.each(path, host, names.wildcard_dns1123_subdomain(host))
    else:
        errors.each(path, host, names.dns1123_subdomain(host))


def _path(path: HTTPIngressPath, here: str, errors: Errors) -> None:
    text = path.path or ""
    if not path.pathType:
        errors.required(f"{here}.pathType", "pathType must be specified")
    elif path.pathType in ("Exact", "Prefix"):
        if not text.startswith("/"):
            errors.invalid(f"{here}.path", text, "must be an absolute path")
        if text:
            for bad in _IN_PATHS:
                if bad in text:
                    errors.invalid(f"{here}.path", text, f"must not contain '{bad}'")
            for bad in _AT_END:
                if text.endswith(bad):
                    errors.invalid(f"{here}.path", text, f"cannot end with '{bad}'")
    elif path.pathType == "ImplementationSpecific":
        if text and not text.startswith("/"):
            errors.invalid(f"{here}.path", text, "must be an absolute path")
    else:
        errors.unsupported(f"{here}.pathType", path.pathType, _PATH_TYPES)
    _backend(path.backend, f"{here}.backend", errors)


def _backend(backend: IngressBackend, path: str, errors: Errors) -> None:
    service, resource = backend.service, backend.resource
    if resource is not None and service is not None:
        errors.invalid(path, "", "cannot set both resource and service backends")
    elif resource is not None:
        if not resource.kind:
            errors.required(f"{path}.resource.kind")
        if not resource.name:
            errors.required(f"{path}.resource.name")
        if resource.kind:
            errors.each(f"{path}.resource.kind", resource.kind, meta.path_name(resource.kind, False))
        if resource.name:
            errors.each(f"{path}.resource.name", resource.name, meta.path_name(resource.name, False))
    elif service is not None:
        if not service.name:
            errors.required(f"{path}.service.name")
        else:
            errors.each(f"{path}.service.name", service.name, names.dns1123_label(service.name))
        port = service.port
        if port.name and port.number:
            errors.invalid(path, "", "cannot set both port name & port number")
        elif port.name:
            errors.each(f"{path}.service.port.name", port.name, names.port_name(port.name))
        elif port.number:
            validate_port(port.number, f"{path}.service.port.number", errors)
        else:
            errors.required(path, "port name or number is required")
    else:
        errors.invalid(path, "", "resource or service backend is required")
