"""What `debug` makes: an ephemeral container in a Pod, a copy of a Pod, or a Pod that sees its node. Pure."""

from __future__ import annotations

import copy
import secrets
from typing import Any, NamedTuple

from sampan.cli.errors import CliError

Object = dict[str, Any]
LETTERS = "bcdfghjklmnpqrstvwxz2456789"
PROFILES = ("legacy", "general", "baseline", "restricted", "netadmin", "sysadmin")
PROBES = {"liveness": "livenessProbe", "readiness": "readinessProbe", "startup": "startupProbe"}


class Wanted(NamedTuple):
    """What the flags say of the container."""

    name: str
    image: str
    pull_policy: str = ""
    command: tuple[str, ...] = ()
    arguments_only: bool = False
    env: tuple[tuple[str, str], ...] = ()
    stdin: bool = False
    tty: bool = False
    profile: str = "legacy"


class Keep(NamedTuple):
    """What a copy keeps of its Pod."""

    labels: bool = False
    annotations: bool = False
    init_containers: bool = True
    probes: frozenset[str] = frozenset()
    same_node: bool = False
    share_processes: bool = True


def random_name(start: str) -> str:
    return f"{start}-{''.join(secrets.choice(LETTERS) for _ in range(5))}"


def ephemeral(wanted: Wanted, target: str) -> Object:
    made = _container(wanted)
    if target:
        made["targetContainerName"] = target
    return _with_profile(made, wanted.profile)


def pod_copy(pod: Object, name: str, wanted: Wanted, images: dict[str, str], keep: Keep) -> Object:
    """The Pod again under another name: one of its containers changed, or the debugging one added."""
    spec = copy.deepcopy(pod["spec"])
    spec.pop("ephemeralContainers", None)
    if not keep.same_node:
        spec.pop("nodeName", None)
    if not keep.init_containers:
        spec.pop("initContainers", None)
    for container in spec["containers"]:
        for probe, field in PROBES.items():
            if probe not in keep.probes:
                container.pop(field, None)
        if container["name"] in images or "*" in images:
            container["image"] = images.get(container["name"]) or images["*"]
    if wanted.image or wanted.command:
        _change_or_add(spec["containers"], wanted)
    if keep.share_processes and "shareProcessNamespace" not in spec:
        spec["shareProcessNamespace"] = True
    metadata: Object = {"name": name, "namespace": pod["metadata"]["namespace"]}
    for field, kept in (("labels", keep.labels), ("annotations", keep.annotations)):
        if kept and pod["metadata"].get(field):
            metadata[field] = pod["metadata"][field]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _change_or_add(containers: list[Object], wanted: Wanted) -> None:
    for container in containers:
        if container["name"] == wanted.name:
            change = {key: value for key, value in _container(wanted).items() if value or key in ("stdin", "tty")}
            container |= {
                key: value for key, value in change.items() if key not in ("name", "terminationMessagePolicy")
            }
            if wanted.command and not wanted.arguments_only:
                container.pop("args", None)
            container |= _with_profile(container, wanted.profile)
            return
    if not wanted.image:
        raise CliError("you must specify an existing container or a new image when specifying args.")
    containers.append(_with_profile(_container(wanted), wanted.profile))


def node_pod(node: str, namespace: str, wanted: Wanted) -> Object:
    """On the node, in its namespaces, with its files at /host (as far as the profile allows)."""
    container = _with_profile(_container(wanted), "legacy" if wanted.profile == "general" else wanted.profile)
    spec: Object = {
        "containers": [container],
        "nodeName": node,
        "restartPolicy": "Never",
        "tolerations": [{"operator": "Exists"}],
    }
    if wanted.profile not in ("baseline", "restricted"):
        spec |= {"hostIPC": True, "hostNetwork": True, "hostPID": True}
    if wanted.profile in ("legacy", "general", "sysadmin"):
        spec["volumes"] = [{"name": "host-root", "hostPath": {"path": "/"}}]
        container["volumeMounts"] = [{"name": "host-root", "mountPath": "/host"}]
    name = random_name(f"node-debugger-{node}")
    labels = {"app.kubernetes.io/managed-by": "kubectl-debug"}
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _container(wanted: Wanted) -> Object:
    made: Object = {"name": wanted.name, "image": wanted.image, "terminationMessagePolicy": "File"}
    if wanted.pull_policy:
        made["imagePullPolicy"] = wanted.pull_policy
    if wanted.command:
        made["args" if wanted.arguments_only else "command"] = list(wanted.command)
    if wanted.env:
        made["env"] = [{"name": name, "value": value} for name, value in wanted.env]
    if wanted.stdin:
        made["stdin"] = True
    if wanted.tty:
        made["tty"] = True
    return made


def _with_profile(container: Object, profile: str) -> Object:
    context: Object = {}
    if profile == "general":
        context = {"capabilities": {"add": ["SYS_PTRACE"]}}
    elif profile == "netadmin":
        context = {"capabilities": {"add": ["NET_ADMIN", "NET_RAW"]}}
    elif profile == "sysadmin":
        context = {"privileged": True}
    elif profile == "restricted":
        context = {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
    return container | {"securityContext": context} if context else container
