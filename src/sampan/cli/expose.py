"""`expose`: a Service for what a Pod, a workload or another Service has behind it."""

from __future__ import annotations

from typing import Any

from sampan.cli.change import NOTHING, chosen
from sampan.cli.command import DRY_RUN, FILES, OUTPUT, Command, Invocation, manager
from sampan.cli.errors import CliError, raise_all
from sampan.cli.flags import Flag
from sampan.cli.generate import parse_labels, services
from sampan.cli.making import make
from sampan.cli.overrides import OVERRIDES, overridden
from sampan.cli.record import RECORD
from sampan.cli.resources import Found

WORKLOADS = ("Deployment", "ReplicaSet")


def run(call: Invocation) -> int:
    if not call.args and not call.flags["filename"]:
        raise CliError(NOTHING)
    errors: list[Exception] = []
    for one in chosen(call, call.args, errors, selects=False):
        _expose(call, one)
    raise_all(errors)
    return 0


def _expose(call: Invocation, one: Found) -> None:
    flags = call.flags
    kind = one.info.kind
    if kind not in ("Pod", "Service", "ReplicationController", *WORKLOADS):
        raise CliError(f"cannot expose a {kind}{f'.{one.info.group}' if one.info.group else ''}")
    selector = parse_labels(flags["selector"]) if flags["selector"] else selector_of(kind, one.data)
    ports = ports_of(kind, one.data, flags["port"], flags["protocol"])
    if not ports:
        raise CliError("couldn't find port via --port flag or introspection")
    labels = parse_labels(flags["labels"]) if flags["labels"] else one.data["metadata"].get("labels") or {}
    made = services.exposing(
        (flags["name"] or one.name)[:63],
        selector,
        ports,
        namespace=one.namespace if call.session.enforce_namespace else "",
        labels=dict(labels),
        kind=flags["type"],
        target_port=flags["target-port"],
        external_ip=flags["external-ip"],
        load_balancer_ip=flags["load-balancer-ip"],
        session_affinity=flags["session-affinity"],
        cluster_ip=flags["cluster-ip"],
    )
    make(call, overridden(made, flags), operation="exposed")


def selector_of(kind: str, data: dict[str, Any]) -> dict[str, str]:
    if kind == "Pod":
        labels: dict[str, str] = data["metadata"].get("labels") or {}
        if not labels:
            raise CliError(
                "couldn't retrieve selectors via --selector flag or introspection: the pod has no labels and cannot be "
                "exposed"
            )
        return labels
    selector = data["spec"].get("selector") or {}
    if kind in WORKLOADS:
        if selector.get("matchExpressions"):
            raise CliError(
                "couldn't retrieve selectors via --selector flag or introspection: couldn't convert expressions - "
                f'"{selector["matchExpressions"]}" to map-based selector format'
            )
        selector = selector.get("matchLabels") or {}
    if not selector:
        raise CliError("couldn't retrieve selectors via --selector flag or introspection: no selector")
    return dict(selector)


def ports_of(kind: str, data: dict[str, Any], asked: str, protocol: str) -> list[dict[str, Any]]:
    known = _known_ports(kind, data)
    if asked:
        protocols = {port["port"]: port["protocol"] for port in known}
        return [_asked(text, protocol or protocols.get(text) or "TCP") for text in asked.split(",")]
    return [port | ({"protocol": protocol} if protocol else {}) for port in known]


def _asked(text: str, protocol: str) -> dict[str, Any]:
    if not text.isdigit():
        raise CliError(f'strconv.Atoi: parsing "{text}": invalid syntax')
    return {"port": int(text), "protocol": protocol}


def _known_ports(kind: str, data: dict[str, Any]) -> list[dict[str, Any]]:
    if kind == "Service":
        return [{"port": p["port"], "protocol": p.get("protocol") or "TCP"} for p in data["spec"].get("ports") or ()]
    spec = data["spec"] if kind == "Pod" else data["spec"]["template"]["spec"]
    return [
        {"port": port["containerPort"], "protocol": port.get("protocol") or "TCP"}
        for container in spec["containers"]
        for port in container.get("ports") or ()
    ]


COMMAND = Command(
    path="expose",
    run=run,
    flags=(
        *FILES,
        *OUTPUT,
        DRY_RUN,
        Flag("selector", usage="the Service's selector; by default as its Pods are found"),
        RECORD,
        manager("expose"),
        Flag("port", usage="the Service's port"),
        Flag("target-port", usage="the containers' port or its name"),
        Flag("protocol", usage="TCP, UDP or SCTP"),
        Flag("name", usage="the Service's name"),
        Flag("type", usage="ClusterIP, NodePort, LoadBalancer or ExternalName"),
        Flag("labels", short="l", usage="the Service's labels"),
        Flag("external-ip", usage="another address"),
        Flag("load-balancer-ip", usage="the load balancer's address"),
        Flag("session-affinity", usage="None or ClientIP"),
        Flag("cluster-ip", usage="the address, or None"),
        Flag("save-config", "bool", usage="for a later apply"),
        *OVERRIDES,
    ),
    summary="Expose a Pod, a workload or a Service as a Service.",
    usage="(-f FILENAME | TYPE NAME) [--port=port] [--protocol=TCP|UDP|SCTP] [--target-port=number-or-name]",
    examples="sampan expose deploy web --port=80 --target-port=8080",
)
