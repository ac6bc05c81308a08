"""`create service clusterip | nodeport | loadbalancer | externalname` and `create ingress`."""

from __future__ import annotations

from collections.abc import Callable

from sampan.cli.command import Command, Invocation
from sampan.cli.flags import Flag
from sampan.cli.generate import services
from sampan.cli.making import MAKING, make, require, said_namespace, the_name

TCP = Flag("tcp", "list", usage="port or port:targetPort; may repeat")


def _service(kind: str) -> Callable[[Invocation], None]:
    def run(call: Invocation) -> None:
        flags = call.flags
        if kind == "ExternalName":
            require(call, "external-name")
        made = services.service(
            the_name(call),
            kind,
            flags["tcp"],
            namespace=said_namespace(call),
            cluster_ip=flags.get("clusterip", ""),
            node_port=flags.get("node-port", 0),
            external_name=flags.get("external-name", ""),
        )
        make(call, made, failing=f"failed to create {kind} service: ")

    return run


def _ingress(call: Invocation) -> None:
    flags = call.flags
    made = services.ingress(
        the_name(call),
        flags["rule"],
        namespace=said_namespace(call),
        ingress_class=flags["class"],
        default_backend=flags["default-backend"],
        annotations=flags["annotation"],
    )
    make(call, made, failing="failed to create ingress: ")


def _command(word: str, kind: str, *more: Flag) -> Command:
    return Command(
        path=f"create service {word}",
        run=_service(kind),
        flags=(*MAKING, TCP, *more),
        summary=f"Create a Service of type {kind}.",
        usage="NAME [--tcp=<port>:<targetPort>]",
    )


SERVICE = Command(
    path="create service",
    summary="Create a Service of a type.",
    usage="(clusterip | externalname | loadbalancer | nodeport)",
    subcommands={
        "clusterip": _command("clusterip", "ClusterIP", Flag("clusterip", usage="the address, or None")),
        "externalname": _command("externalname", "ExternalName", Flag("external-name", usage="the name outside")),
        "loadbalancer": _command("loadbalancer", "LoadBalancer"),
        "nodeport": _command("nodeport", "NodePort", Flag("node-port", "int", usage="the port on every node")),
    },
)
INGRESS = Command(
    path="create ingress",
    run=_ingress,
    flags=(
        *MAKING,
        Flag("rule", "array", usage="host/path=service:port[,tls[=secret]]"),
        Flag("class", usage="the ingress class"),
        Flag("default-backend", usage="service:port for everything else"),
        Flag("annotation", "array", usage="key=value"),
    ),
    summary="Create an Ingress.",
    usage="NAME --rule=host/path=service:port[,tls[=secret]]",
)
