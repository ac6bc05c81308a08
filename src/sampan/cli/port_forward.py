"""`port-forward`: local ports that lead to a Pod. Which ports is decided here, carrying is `tunnel`'s."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from sampan.api.errors import ApiError
from sampan.cli.command import Command, Invocation
from sampan.cli.errors import CliError, UsageError
from sampan.cli.flags import Flag
from sampan.cli.pod_choice import first_pod
from sampan.cli.resources import targets


class Pair(NamedTuple):
    local: int
    remote: int


def run(call: Invocation) -> int:
    if len(call.args) < 2:
        raise UsageError("TYPE/NAME and list of ports are required for port-forward")
    session, flags = call.session, call.flags
    word, ports = call.args[0], call.args[1:]
    target = targets(session, [word if "/" in word else f"pods/{word}"])[0]
    owner = session.client.of(target.info).get(target.name, namespace=session.where(target.info))
    pod = first_pod(session, target.info, target.name, timeout=flags["pod-running-timeout"])
    service = owner if target.info.kind == "Service" and not target.info.group else None
    phase = (pod.get("status") or {}).get("phase")
    if service is not None:
        pairs = [pair_of(text, pod, service) for text in ports]
    if phase != "Running":
        raise CliError(f"unable to forward port because pod is not running. Current status={phase}")
    pairs = [pair_of(text, pod, service) for text in ports]

    from sampan.cli.tunnel import Forwarder

    def again() -> dict[str, Any] | None:
        """The Pod to use now: behind a workload or a Service another may have come."""
        try:
            return first_pod(session, target.info, target.name, timeout=0)
        except (ApiError, CliError):
            return None

    forwarder = Forwarder(session.client, session.resolve("pods"), pod, again, addresses=flags["address"])
    return forwarder.run(pairs)


def pair_of(text: str, pod: dict[str, Any], service: dict[str, Any] | None) -> Pair:
    """`8888:8080`, `8080`, `:8080`, names too; of a Service the ports are its own, and mean the Pod's."""
    local, colon, remote = text.partition(":")
    if ":" in remote:
        raise CliError(f"invalid port format '{text}'")
    if not colon:
        remote = local
    if service is not None:
        number, behind = _service_port(remote, pod, service)
        return Pair(
            _number(local, text) if local.isdigit() and colon else (0 if colon and not local else number), behind
        )
    found = _number(remote, text) if remote.isdigit() else _named(remote, pod)
    return Pair(0 if colon and not local else (found if not colon else _number(local, text)), found)


def _service_port(port: str, pod: dict[str, Any], service: dict[str, Any]) -> tuple[int, int]:
    for one in service["spec"].get("ports") or ():
        if (port.isdigit() and one["port"] == int(port)) or (not port.isdigit() and one.get("name") == port):
            if service["spec"].get("clusterIP") == "None":
                return one["port"], one["port"]
            target = one.get("targetPort", one["port"])
            return one["port"], target if isinstance(target, int) else _named(target, pod, service["metadata"]["name"])
    name = service["metadata"]["name"]
    if port.isdigit():
        raise CliError(f"Service {name} does not have a service port {port}")
    raise CliError(f"Service '{name}' does not have a named port '{port}'")


def _named(name: str, pod: dict[str, Any], service: str = "") -> int:
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name):
        raise CliError(f"error parsing local port '{name}': strconv.ParseUint: parsing \"{name}\": invalid syntax")
    for container in (*pod["spec"]["containers"], *(pod["spec"].get("initContainers") or ())):
        for port in container.get("ports") or ():
            if port.get("name") == name:
                return int(port["containerPort"])
    raise CliError(f"Pod '{pod['metadata']['name']}' does not have a named port '{name}'")


def _number(text: str, whole: str) -> int:
    if not text.isdigit():
        raise CliError(f"error parsing local port '{text}': strconv.ParseUint: parsing \"{text}\": invalid syntax")
    if int(text) > 65535:
        raise CliError(f"error parsing local port '{text}': strconv.ParseUint: parsing \"{text}\": value out of range")
    if not int(text) and whole.endswith(text) and not whole.startswith(f"{text}:"):
        raise CliError("remote port must be > 0")
    return int(text)


COMMAND = Command(
    path="port-forward",
    run=run,
    flags=(
        Flag("address", "list", ["localhost"], usage="the local addresses to listen on"),
        Flag("pod-running-timeout", "duration", 60.0, usage="how long to wait for a Pod"),
    ),
    summary="Forward local ports to a Pod.",
    usage="TYPE/NAME [LOCAL_PORT:]REMOTE_PORT [...[LOCAL_PORT_N:]REMOTE_PORT_N]",
    examples="sampan port-forward kubia 8888:8080\nsampan port-forward svc/web :80",
)
