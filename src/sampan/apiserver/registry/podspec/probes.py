"""Probes and lifecycle hooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sampan.api import names
from sampan.apiserver.registry.addresses import validate_port_or_name
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.resource_names import NEGATIVE

if TYPE_CHECKING:
    from sampan.api.types.core_v1 import Container, EphemeralContainer, HTTPGetAction, Lifecycle, PodSpec, Probe

_COUNTS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")
_STOP_SIGNALS_WINDOWS = ("SIGKILL", "SIGTERM")


def validate_probes(container: Container | EphemeralContainer, path: str, errors: Errors) -> None:
    """The three probes of a container that may have them."""
    if container.livenessProbe is not None:
        _once(container.livenessProbe, f"{path}.livenessProbe", errors)
    readiness = container.readinessProbe
    if readiness is not None:
        _probe(readiness, f"{path}.readinessProbe", errors)
        if readiness.terminationGracePeriodSeconds is not None:
            where = f"{path}.readinessProbe.terminationGracePeriodSeconds"
            errors.invalid(where, readiness.terminationGracePeriodSeconds, "must not be set for readinessProbes")
    if container.startupProbe is not None:
        _once(container.startupProbe, f"{path}.startupProbe", errors)


def _once(probe: Probe, path: str, errors: Errors) -> None:
    """Liveness and startup: one success settles it."""
    _probe(probe, path, errors)
    if probe.successThreshold != 1:
        errors.invalid(f"{path}.successThreshold", probe.successThreshold or 0, "must be 1")


def _probe(probe: Probe, path: str, errors: Errors) -> None:
    _handler(probe, ("exec", "httpGet", "tcpSocket", "grpc"), path, None, errors)
    for wire in _COUNTS:
        value = getattr(probe, wire)
        if value is not None and value < 0:
            errors.invalid(f"{path}.{wire}", value, NEGATIVE)
    grace = probe.terminationGracePeriodSeconds
    if grace is not None and grace <= 0:
        errors.invalid(f"{path}.terminationGracePeriodSeconds", grace, "must be greater than 0")


def validate_lifecycle(lifecycle: Lifecycle, spec: PodSpec, path: str, errors: Errors) -> None:
    grace = spec.terminationGracePeriodSeconds
    handlers = ("exec", "httpGet", "tcpSocket", "sleep")
    if lifecycle.postStart is not None:
        _handler(lifecycle.postStart, handlers, f"{path}.postStart", grace, errors)
    if lifecycle.preStop is not None:
        _handler(lifecycle.preStop, handlers, f"{path}.preStop", grace, errors)
    if lifecycle.stopSignal is not None:
        _stop_signal(lifecycle.stopSignal, spec, f"{path}.stopSignal", errors)


def _handler(handler: Any, kinds: tuple[str, ...], path: str, grace: int | None, errors: Errors) -> None:
    count = 0
    for kind in kinds:
        action = getattr(handler, kind)
        if action is None:
            continue
        if count:
            errors.forbidden(f"{path}.{kind}", "may not specify more than 1 handler type")
            continue
        count += 1
        if kind == "exec":
            if not action.command:
                errors.required(f"{path}.exec.command")
        elif kind == "httpGet":
            _http(action, f"{path}.httpGet", errors)
        elif kind == "sleep":
            if grace is not None and not 0 <= action.seconds <= grace:
                detail = f"must be non-negative and less than terminationGracePeriodSeconds ({grace})"
                errors.invalid(f"{path}.sleep", action.seconds, detail)
        else:
            validate_port_or_name(action.port, f"{path}.{kind}.port", errors)
    if not count:
        errors.required(path, "must specify a handler type")


def _http(action: HTTPGetAction, path: str, errors: Errors) -> None:
    if not action.path:
        errors.required(f"{path}.path")
    validate_port_or_name(action.port, f"{path}.port", errors)
    if action.scheme not in ("HTTP", "HTTPS"):
        errors.unsupported(f"{path}.scheme", action.scheme or "", ("HTTP", "HTTPS"))
    for header in action.httpHeaders or ():
        errors.each(f"{path}.httpHeaders", header.name, names.http_header_name(header.name))


SIGNALS = tuple(sorted((
    *(f"SIG{s}" for s in (
        "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE", "POLL",
        "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU", "URG", "USR1",
        "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN", "RTMAX",
    )),
    *(f"SIGRTMIN+{n}" for n in range(1, 16)),
    *(f"SIGRTMAX-{n}" for n in range(1, 15)),
)))  # fmt: skip


def _stop_signal(signal: str, spec: PodSpec, path: str, errors: Errors) -> None:
    if spec.os is None or not spec.os.name:
        errors.forbidden(path, "may not be set for containers with empty `spec.os.name`")
    elif spec.os.name == "windows":
        if signal not in _STOP_SIGNALS_WINDOWS:
            errors.unsupported(path, signal, _STOP_SIGNALS_WINDOWS)
    elif signal not in SIGNALS:
        errors.unsupported(path, signal, SIGNALS)
