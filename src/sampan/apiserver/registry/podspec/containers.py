"""Containers of all three kinds: what each must have, and what only some may have."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from sampan.api import names
from sampan.apiserver.registry.addresses import PROTOCOLS
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.podspec.env import validate_env, validate_env_from
from sampan.apiserver.registry.podspec.mounts import validate_devices, validate_mounts
from sampan.apiserver.registry.podspec.probes import validate_lifecycle, validate_probes
from sampan.apiserver.registry.podspec.resources import validate_requirements, validate_resize_policy
from sampan.apiserver.registry.podspec.security import validate_container_security

if TYPE_CHECKING:
    from sampan.api.types.core_v1 import Container, ContainerPort, EphemeralContainer, PodSpec, Volume

_PULL = ("Always", "IfNotPresent", "Never")
_MESSAGES = ("File", "FallbackToLogsOnError")
_RESTART = ("Always", "Never", "OnFailure")
_ONLY_SIDECARS = "may not be set for init containers without restartPolicy=Always"
_NOT_EPHEMERAL = "cannot be set for an Ephemeral Container"


def validate_common(
    container: Container | EphemeralContainer,
    spec: PodSpec,
    volumes: dict[str, Volume],
    claims: Collection[str],
    path: str,
    errors: Errors,
) -> None:
    if not container.name:
        errors.required(f"{path}.name")
    else:
        objections = names.dns1123_label(container.name)
        if objections:
            errors.each(f"{path}.name", container.name, objections)
    if not container.image:
        errors.required(f"{path}.image")
    policy = container.terminationMessagePolicy
    if policy not in _MESSAGES:
        if policy:
            errors.unsupported(f"{path}.terminationMessagePolicy", policy, _MESSAGES)
        else:
            errors.required(f"{path}.terminationMessagePolicy")
    if container.ports:
        validate_ports(container.ports, f"{path}.ports", errors)
    if container.env:
        validate_env(container.env, f"{path}.env", errors)
    if container.envFrom:
        validate_env_from(container.envFrom, f"{path}.envFrom", errors)
    if container.volumeMounts:
        validate_mounts(container, volumes, f"{path}.volumeMounts", errors)
    if container.volumeDevices:
        validate_devices(container, volumes, f"{path}.volumeDevices", errors)
    pull = container.imagePullPolicy
    if pull not in _PULL:
        if pull:
            errors.unsupported(f"{path}.imagePullPolicy", pull, _PULL)
        else:
            errors.required(f"{path}.imagePullPolicy")
    resources = container.resources
    if resources.limits or resources.requests or resources.claims:
        validate_requirements(resources, f"{path}.resources", errors, claims)
    if container.resizePolicy:
        validate_resize_policy(container.resizePolicy, spec.restartPolicy, f"{path}.resizePolicy", errors)
    if container.securityContext is not None:
        host_users = spec.hostUsers is not False
        validate_container_security(container.securityContext, host_users, f"{path}.securityContext", errors)


def validate_ports(ports: Sequence[ContainerPort], path: str, errors: Errors) -> None:
    seen: set[str] = set()
    for index, port in enumerate(ports):
        if port.name:
            objections = names.port_name(port.name)
            if objections:
                errors.each(f"{path}[{index}].name", port.name, objections)
            elif port.name in seen:
                errors.duplicate(f"{path}[{index}].name", port.name)
            else:
                seen.add(port.name)
        number = port.containerPort
        if number == 0:
            errors.required(f"{path}[{index}].containerPort")
        elif not 1 <= number <= 65535:
            errors.invalid(f"{path}[{index}].containerPort", number, names.range_error(1, 65535))
        if port.hostPort and not 1 <= port.hostPort <= 65535:
            errors.invalid(f"{path}[{index}].hostPort", port.hostPort, names.range_error(1, 65535))
        if port.protocol not in PROTOCOLS:
            if port.protocol:
                errors.unsupported(f"{path}[{index}].protocol", port.protocol, PROTOCOLS)
            else:
                errors.required(f"{path}[{index}].protocol")


def _host_ports(containers: Sequence[Container], path: str, errors: Errors) -> None:
    """No two containers that run together take one port of the host."""
    taken: set[str] = set()
    for at, container in enumerate(containers):
        for index, port in enumerate(container.ports or ()):
            if not port.hostPort:
                continue
            key = f"{port.protocol}/{port.hostIP or ''}/{port.hostPort}"
            if key in taken:
                errors.duplicate(f"{path}[{at}].ports[{index}].hostPort", key)
            taken.add(key)


def _restart(container: Container, path: str, errors: Errors) -> None:
    policy, rules = container.restartPolicy, container.restartPolicyRules
    if policy is None:
        if rules:
            errors.required(f"{path}.restartPolicy", "must specify restartPolicy when restart rules are used")
        return
    if policy not in _RESTART:
        errors.unsupported(f"{path}.restartPolicy", policy, _RESTART)
    if len(rules or ()) > 20:
        errors.too_many(f"{path}.restartPolicyRules", len(rules or ()), 20)
    for index, rule in enumerate(rules or ()):
        here = f"{path}.restartPolicyRules[{index}]"
        if rule.action not in ("Restart", "RestartAllContainers"):
            errors.unsupported(f"{here}.action", rule.action, ("Restart", "RestartAllContainers"))
        if rule.exitCodes is None:
            errors.required(f"{here}.exitCodes", "must be specified")
            continue
        if rule.exitCodes.operator not in ("In", "NotIn"):
            errors.unsupported(f"{here}.exitCodes.operator", rule.exitCodes.operator, ("In", "NotIn"))
        if len(rule.exitCodes.values or ()) > 255:
            errors.too_many(f"{here}.exitCodes.values", len(rule.exitCodes.values or ()), 255)


def validate_containers(
    spec: PodSpec, volumes: dict[str, Volume], claims: Collection[str], path: str, errors: Errors
) -> None:
    if not spec.containers:
        errors.required(path)
        return
    seen: set[str] = set()
    for index, container in enumerate(spec.containers):
        here = f"{path}[{index}]"
        validate_common(container, spec, volumes, claims, here, errors)
        if container.name in seen:
            errors.duplicate(f"{here}.name", container.name)
        seen.add(container.name)
        if container.lifecycle is not None:
            validate_lifecycle(container.lifecycle, spec, f"{here}.lifecycle", errors)
        validate_probes(container, here, errors)
        if container.restartPolicy is not None or container.restartPolicyRules:
            _restart(container, here, errors)
    _host_ports(spec.containers, path, errors)


def validate_init_containers(
    spec: PodSpec, volumes: dict[str, Volume], claims: Collection[str], path: str, errors: Errors
) -> None:
    seen = {container.name for container in spec.containers}
    for index, container in enumerate(spec.initContainers or ()):
        here = f"{path}[{index}]"
        validate_common(container, spec, volumes, claims, here, errors)
        if container.restartPolicy is not None or container.restartPolicyRules:
            _restart(container, here, errors)
        if container.name in seen:
            errors.duplicate(f"{here}.name", container.name)
        elif container.name:
            seen.add(container.name)
        # Init containers run one after another: only a container's own ports can clash.
        _host_ports((container,), path, errors)
        if container.restartPolicy == "Always":
            if container.lifecycle is not None:
                validate_lifecycle(container.lifecycle, spec, f"{here}.lifecycle", errors)
            validate_probes(container, here, errors)
        else:
            for wire in ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe"):
                if getattr(container, wire) is not None:
                    errors.forbidden(f"{here}.{wire}", _ONLY_SIDECARS)
            if container.resizePolicy:
                errors.invalid(f"{here}.resizePolicy", container.resizePolicy, "must not be set for init containers")


_EPHEMERAL_BARRED = (
    "ports", "resources", "resizePolicy", "restartPolicy", "restartPolicyRules", "livenessProbe", "readinessProbe",
    "startupProbe", "lifecycle",
)  # fmt: skip


def validate_ephemeral_containers(
    spec: PodSpec, volumes: dict[str, Volume], claims: Collection[str], path: str, errors: Errors
) -> None:
    others = {c.name for c in (*spec.containers, *(spec.initContainers or ()))}
    seen = set(others)
    for index, container in enumerate(spec.ephemeralContainers or ()):
        here = f"{path}[{index}]"
        validate_common(container, spec, volumes, claims, here, errors)
        validate_padding(container, here, errors)
        if container.name in seen:
            errors.duplicate(f"{here}.name", container.name)
        seen.add(container.name)
        if container.targetContainerName and container.targetContainerName not in others:
            errors.not_found(f"{here}.targetContainerName", container.targetContainerName)
        for wire in _EPHEMERAL_BARRED:
            value = getattr(container, wire)
            is_set = value != type(value)() if wire == "resources" else value is not None
            if is_set:
                errors.forbidden(f"{here}.{wire}", _NOT_EPHEMERAL)
        for at, mount in enumerate(container.volumeMounts or ()):
            for wire in ("subPath", "subPathExpr"):
                if getattr(mount, wire):
                    errors.forbidden(f"{here}.volumeMounts[{at}].{wire}", _NOT_EPHEMERAL)


def validate_padding(container: Container | EphemeralContainer, path: str, errors: Errors) -> None:
    """Pods only: templates keep what they always kept."""
    image = container.image
    if image and image != image.strip():
        errors.invalid(f"{path}.image", image, "must not have leading or trailing whitespace")
