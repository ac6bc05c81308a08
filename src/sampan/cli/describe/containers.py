"""The containers of Pods and of templates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sampan.api.goquote import quote
from sampan.cli.describe.text import Object, Text, moment, or_none, status_word, truth

Resolver = Callable[[Object, Object], str]
"""(container, env entry) → what a field reference stands for."""


def containers(
    text: Text,
    title: str,
    listed: list[Object],
    statuses: list[Object] | None,
    resolve: Resolver | None = None,
    *,
    template: bool = False,
) -> None:
    """`template` moves all of it in a little, as it is part of something."""
    space = "  " if template else ""
    if not listed:
        text.line(f"{space}{title}: <none>")
        return
    text.line(f"{space}{title}:")
    by_name = {status.get("name"): status for status in statuses or ()}
    for container in listed:
        _container(text, container, by_name.get(container["name"]), resolve, " " if template else "")


def _container(text: Text, container: Object, status: Object | None, resolve: Resolver | None, indent: str) -> None:
    text.line(f"{indent}{container['name']}:", 1)
    if status is not None:
        text.field("Container ID", status.get("containerID", ""), 2)
    text.field("Image", container.get("image", ""), 2)
    if status is not None:
        text.field("Image ID", status.get("imageID", ""), 2)
    ports, host_ports = _ports(container)
    text.field("Ports" if "," in ports else "Port", or_none(ports), 2)
    text.field("Host Ports" if "," in host_ports else "Host Port", or_none(host_ports), 2)
    seccomp = (container.get("securityContext") or {}).get("seccompProfile")
    if seccomp:
        text.field("SeccompProfile", seccomp.get("type", ""), 2)
        if seccomp.get("type") == "Localhost":
            text.field("LocalhostProfile", seccomp.get("localhostProfile", ""), 2)
    for name in ("command", "args"):
        if container.get(name):
            text.line(f"{name.capitalize()}:", 2)
            for word in container[name]:
                for part in word.split("\n"):
                    text.line(part, 3)
    if status is not None:
        _states(text, status)
    resources(text, container.get("resources") or {}, 2)
    for name in ("liveness", "readiness", "startup"):
        probe = container.get(f"{name}Probe")
        if probe:
            text.field(name.capitalize(), probe_text(probe), 2)
    _environment_sources(text, container)
    _environment(text, container, resolve)
    _mounts(text, container)


def _ports(container: Object) -> tuple[str, str]:
    ports = container.get("ports") or ()
    protocols = [port.get("protocol") or "TCP" for port in ports]
    inner = [f"{port['containerPort']}/{protocol}" for port, protocol in zip(ports, protocols, strict=True)]
    outer = [f"{port.get('hostPort') or 0}/{protocol}" for port, protocol in zip(ports, protocols, strict=True)]
    return ", ".join(inner), ", ".join(outer)


def _states(text: Text, status: Object) -> None:
    _state(text, "State", status.get("state") or {})
    last = status.get("lastState") or {}
    if last.get("terminated"):
        _state(text, "Last State", last)
    text.field("Ready", status_word(status.get("ready")), 2)
    text.field("Restart Count", status.get("restartCount", 0), 2)


def _state(text: Text, name: str, state: Object) -> None:
    if "running" in state:
        text.field(name, "Running", 2)
        text.field("Started", moment((state["running"] or {}).get("startedAt")), 3)
        return
    ended = state.get("terminated")
    if ended is None:
        text.field(name, "Waiting", 2)
        reason = (state.get("waiting") or {}).get("reason")
        if reason:
            text.field("Reason", reason, 3)
        return
    text.field(name, "Terminated", 2)
    if ended.get("reason"):
        text.field("Reason", ended["reason"], 3)
    if ended.get("message"):
        text.field("Message", ended["message"], 3)
    text.field("Exit Code", ended.get("exitCode", 0), 3)
    if ended.get("signal"):
        text.field("Signal", ended["signal"], 3)
    text.field("Started", moment(ended.get("startedAt")), 3)
    text.field("Finished", moment(ended.get("finishedAt")), 3)


def resources(text: Text, held: Object, level: int) -> None:
    for field, title in (("limits", "Limits"), ("requests", "Requests")):
        if held.get(field):
            text.line(f"{title}:", level)
            for name in sorted(held[field]):
                text.field(name, held[field][name], level + 1)


def probe_text(probe: Object) -> str:
    attributes = (
        f"delay={probe.get('initialDelaySeconds') or 0}s timeout={probe.get('timeoutSeconds') or 0}s "
        f"period={probe.get('periodSeconds') or 0}s #success={probe.get('successThreshold') or 0} "
        f"#failure={probe.get('failureThreshold') or 0}"
    )
    if "exec" in probe:
        return f"exec [{' '.join(probe['exec'].get('command') or ())}] {attributes}"
    if "httpGet" in probe:
        get = probe["httpGet"]
        path = get.get("path") or ""
        path = path if path.startswith("/") or not path else f"/{path}"
        scheme = (get.get("scheme") or "http").lower()
        return f"http-get {scheme}://{get.get('host') or ''}:{get.get('port')}{path} {attributes}"
    if "tcpSocket" in probe:
        tcp = probe["tcpSocket"]
        return f"tcp-socket {tcp.get('host') or ''}:{tcp.get('port')} {attributes}"
    if "grpc" in probe:
        grpc = probe["grpc"]
        return f"grpc <pod>:{grpc.get('port')} {grpc.get('service') or ''} {attributes}"
    return f"unknown {attributes}"


def _environment_sources(text: Text, container: Object) -> None:
    if not container.get("envFrom"):
        return
    text.line("Environment Variables from:", 2)
    for source in container["envFrom"]:
        kind, held = (
            ("ConfigMap", source.get("configMapRef"))
            if source.get("configMapRef")
            else (
                "Secret",
                source.get("secretRef") or {},
            )
        )
        prefix = f" with prefix '{source['prefix']}'" if source.get("prefix") else ""
        text.line(f"{held.get('name', '')}\t{kind}{prefix}\tOptional: {truth(held.get('optional'))}", 3)


def _environment(text: Text, container: Object, resolve: Resolver | None) -> None:
    listed = container.get("env") or ()
    text.line("Environment:" if listed else "Environment:\t<none>", 2)
    for entry in listed:
        source: Any = entry.get("valueFrom")
        name = entry["name"]
        if not source:
            first, *others = (entry.get("value") or "").split("\n")
            text.field(name, first, 3)
            for other in others:
                text.line(f"\t{other}", 3)
        elif "fieldRef" in source:
            field = source["fieldRef"]
            value = resolve(container, entry) if resolve else ""
            text.field(name, f"{value} ({field.get('apiVersion') or 'v1'}:{field['fieldPath']})", 3)
        elif "resourceFieldRef" in source:
            value = resolve(container, entry) if resolve else resource_value(container, source["resourceFieldRef"])
            text.field(name, f"{value} ({source['resourceFieldRef']['resource']})", 3)
        elif "secretKeyRef" in source:
            ref = source["secretKeyRef"]
            said = f"<set to the key '{ref['key']}' in secret '{ref.get('name', '')}'>"
            text.line(f"{name}:\t{said}\tOptional: {truth(ref.get('optional'))}", 3)
        elif "configMapKeyRef" in source:
            ref = source["configMapKeyRef"]
            said = f"<set to the key '{ref['key']}' of config map '{ref.get('name', '')}'>"
            text.line(f"{name}:\t{said}\tOptional: {truth(ref.get('optional'))}", 3)


def resource_value(container: Object, ref: Object) -> str:
    from sampan.api import quantity

    which, _, resource = ref["resource"].partition(".")
    held = (container.get("resources") or {}).get(which) or {}
    said = held.get(resource, "0")
    divisor = quantity.milli_value(ref.get("divisor") or "1") or 1000
    if ref["resource"] in ("limits.cpu", "limits.memory") and said == "0":
        return "node allocatable"
    return str(-(-quantity.milli_value(said) // divisor))


def _mounts(text: Text, container: Object) -> None:
    listed = sorted(container.get("volumeMounts") or (), key=lambda mount: mount["mountPath"])
    text.line("Mounts:" if listed else "Mounts:\t<none>", 2)
    for mount in listed:
        how = "ro" if mount.get("readOnly") else "rw"
        if mount.get("subPath"):
            how += f",path={quote(mount['subPath'])}"
        text.line(f"{mount['mountPath']} from {mount['name']} ({how})", 3)
    devices = sorted(container.get("volumeDevices") or (), key=lambda device: device["devicePath"])
    if devices:
        text.line("Devices:", 2)
        for device in devices:
            text.line(f"{device['devicePath']} from {device['name']}", 3)
