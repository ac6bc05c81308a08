"""`apply --prune`: what an earlier apply made, that the selector finds and the files no longer have, is deleted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sampan.cli import last_applied
from sampan.cli.command import Invocation
from sampan.cli.deleting import deleted
from sampan.cli.errors import CliError
from sampan.cli.resources import Found, shown_kind
from sampan.cli.say import say
from sampan.client.calls import ListOptions


class Kind(NamedTuple):
    group: str
    kind: str


USUAL = tuple(
    Kind(*row)
    for row in (
        ("", "ConfigMap"), ("", "Endpoints"), ("", "PersistentVolumeClaim"), ("", "Pod"),
        ("", "ReplicationController"), ("", "Secret"), ("", "Service"), ("batch", "Job"), ("batch", "CronJob"),
        ("networking.k8s.io", "Ingress"), ("apps", "DaemonSet"), ("apps", "Deployment"), ("apps", "ReplicaSet"),
        ("apps", "StatefulSet"), ("", "Namespace"), ("", "PersistentVolume"),
    )
)  # fmt: skip


def allowed(call: Invocation) -> tuple[Kind, ...]:
    """The kinds of --prune-allowlist (`group/version/kind`), else the usual ones."""
    kinds = []
    for text in call.flags["prune-allowlist"]:
        parts = text.split("/")
        if len(parts) != 3:
            raise CliError(f"invalid GroupVersionKind format: {text}, please follow <group/version/kind>")
        kinds.append(Kind("" if parts[0] == "core" else parts[0], parts[2]))
    return tuple(kinds) or USUAL


def prune(call: Invocation, applied: Sequence[Found], kinds: Sequence[Kind], mode: str) -> None:
    session, flags = call.session, call.flags
    kept = {(one.info.group, one.info.kind, one.namespace, one.name) for one in applied}
    namespaces = {one.namespace for one in applied if one.namespace} or {session.namespace}
    rows = {Kind(info.group, info.kind): info for info in session.resources.resources().preferred()}
    suffix = {"none": "", "client": " (dry run)", "server": " (server dry run)"}[mode]
    for key in kinds:
        info = rows.get(key)
        if info is None:
            continue
        for namespace in sorted(namespaces) if info.namespaced else [""]:
            for item in session.client.of(info).list(ListOptions(flags["selector"]), namespace=namespace).items:
                name = item["metadata"]["name"]
                if last_applied.text(item) is None or (info.group, info.kind, namespace, name) in kept:
                    continue
                one = Found(info, namespace, name, item)
                if mode != "client":
                    deleted(session, one, cascade=flags["cascade"], grace=flags["grace-period"], mode=mode)
                say(f"{shown_kind(info)}/{name} pruned{suffix}")
