"""`cluster-info`: where the control plane is; `cluster-info dump`: everything that helps to find out what is wrong."""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stdout
from typing import Any

from sampan.api.errors import ApiError
from sampan.cli import printers
from sampan.cli.command import ALL_NAMESPACES, OUTPUT, Command, Invocation
from sampan.cli.flags import Flag
from sampan.cli.printers import Printer
from sampan.client.calls import ListOptions

DUMPED = (
    ("v1", "Event"),
    ("v1", "ReplicationController"),
    ("v1", "Service"),
    ("apps/v1", "DaemonSet"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "ReplicaSet"),
    ("v1", "Pod"),
)


def run(call: Invocation) -> int:
    session = call.session
    info = session.resources.for_kind("v1", "Service")
    services = session.client.of(info).list(
        ListOptions(label_selector="kubernetes.io/cluster-service=true"), namespace="kube-system"
    )
    server = session.settings.server
    colour = sys.stdout.isatty()
    _say("Kubernetes control plane", server, colour)
    for service in services.items:
        metadata = service["metadata"]
        name = (metadata.get("labels") or {}).get("kubernetes.io/name") or metadata["name"]
        ports = service["spec"].get("ports") or [{}]
        port = f":{ports[0]['name']}" if ports[0].get("name") else ""
        path = f"/api/v1/namespaces/{metadata['namespace']}/services/{metadata['name']}{port}/proxy"
        _say(name, server + path, colour)
    sys.stdout.write("\nTo further debug and diagnose cluster problems, use 'kubectl cluster-info dump'.\n")
    return 0


def _say(name: str, where: str, colour: bool) -> None:
    if colour:
        name, where = f"\x1b[32m{name}\x1b[0m", f"\x1b[33m{where}\x1b[0m"
    sys.stdout.write(f"{name} is running at {where}\n")


def dump(call: Invocation) -> int:
    flags, session = call.flags, call.session
    printer = printers.of(flags["output"], flags=flags, sort_keys=False)
    nodes = session.client.of(session.resources.for_kind("v1", "Node")).list()
    _put(call, printer, "nodes", _list("Node", "v1", nodes.items))
    namespaces = flags["namespaces"] or ["kube-system", session.namespace]
    if flags["all-namespaces"]:
        found = session.client.of(session.resources.for_kind("v1", "Namespace")).list()
        namespaces = [one["metadata"]["name"] for one in found.items]
    for namespace in dict.fromkeys(namespaces):
        _namespace(call, printer, namespace)
    where = flags["output-directory"]
    if where and where != "-":
        sys.stdout.write(f"Cluster info dumped to {where}\n")
    return 0


def _namespace(call: Invocation, printer: Printer, namespace: str) -> None:
    session = call.session
    pods: list[dict[str, Any]] = []
    for api_version, kind in DUMPED:
        info = session.resources.for_kind(api_version, kind)
        items = session.client.of(info).list(namespace=namespace).items
        if kind == "Pod":
            pods = items
        name = "replication-controllers" if kind == "ReplicationController" else info.resource
        _put(call, printer, f"{namespace}/{name}", _list(kind, api_version, items))
    for pod in pods:
        for container in pod["spec"].get("containers") or ():
            _log(call, printer, pod["metadata"], container["name"])


def _log(call: Invocation, printer: Printer, metadata: dict[str, Any], container: str) -> None:
    path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/log"
    try:
        text = call.session.client.raw("GET", path, query={"container": container}).body.decode(errors="replace")
    except ApiError as error:
        text = f"Request log error: {error.message}\n"
    said = f"==== START logs for container {container} of pod {metadata['namespace']}/{metadata['name']} ====\n"
    end = f"==== END logs for container {container} of pod {metadata['namespace']}/{metadata['name']} ====\n"
    _put(call, printer, f"{metadata['namespace']}/{metadata['name']}/logs", said + text + end, suffix=".txt")


def _list(kind: str, api_version: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    return {"kind": f"{kind}List", "apiVersion": api_version, "metadata": {}, "items": items}


def _put(call: Invocation, printer: Printer, name: str, what: dict[str, Any] | str, *, suffix: str = ".json") -> None:
    folder = call.flags["output-directory"]
    if not folder or folder == "-":
        _write(printer, what)
        return
    path = os.path.join(folder, f"{name}{suffix}")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file, redirect_stdout(file):
        _write(printer, what)


def _write(printer: Printer, what: dict[str, Any] | str) -> None:
    if isinstance(what, str):
        sys.stdout.write(what)
    else:
        printer(what)


DUMP = Command(
    path="cluster-info dump",
    run=dump,
    flags=(
        ALL_NAMESPACES,
        Flag("namespaces", "list", usage="which namespaces"),
        Flag("output-directory", usage="a folder to write into; - for stdout"),
        OUTPUT[0]._replace(default="json"),
        *OUTPUT[1:],
        Flag("pod-running-timeout", "duration", 20.0, usage="accepted, without effect"),
    ),
    summary="Everything that helps to find out what is wrong.",
)
COMMAND = Command(
    path="cluster-info", run=run, summary="Where the control plane is.", subcommands={"dump": "cluster_info:DUMP"}
)
