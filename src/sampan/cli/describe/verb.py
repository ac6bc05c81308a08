"""`describe`: finds the objects and their events, and hands them to the describer of their kind."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from sampan.api.errors import ApiError, NotFound
from sampan.cli.command import ALL_NAMESPACES, FILES, SELECTOR, Command, Invocation
from sampan.cli.describe.text import Object, Text
from sampan.cli.errors import CliError, raise_all
from sampan.cli.flags import Flag
from sampan.cli.resources import Found, Target, as_found, found, from_files, targets
from sampan.cli.say import complain
from sampan.cli.session import Session
from sampan.client.calls import ListOptions

# group/kind → module:function. A function takes (text, object, events); `_with_session` ones also ask the server.
DESCRIBERS: dict[tuple[str, str], str] = {
    ("", "Pod"): "pod:pod",
    ("", "Namespace"): "namespace:namespace",
    ("", "ConfigMap"): "config:config_map",
    ("", "Secret"): "config:secret",
    ("", "ServiceAccount"): "config:service_account",
    ("", "ResourceQuota"): "config:quota",
    ("", "LimitRange"): "config:limit_range",
    ("scheduling.k8s.io", "PriorityClass"): "config:priority_class",
    ("", "Node"): "node:node",
    ("", "Service"): "service:service",
    ("", "Endpoints"): "service:endpoints",
    ("discovery.k8s.io", "EndpointSlice"): "service:endpoint_slice",
    ("networking.k8s.io", "Ingress"): "service:ingress",
    ("networking.k8s.io", "IngressClass"): "service:ingress_class",
    ("networking.k8s.io", "NetworkPolicy"): "network_policy:network_policy",
    ("apps", "Deployment"): "workloads:deployment",
    ("apps", "ReplicaSet"): "workloads:replica_set",
    ("", "ReplicationController"): "workloads:replication_controller",
    ("apps", "StatefulSet"): "workloads:stateful_set",
    ("apps", "DaemonSet"): "workloads:daemon_set",
    ("batch", "Job"): "batch:job",
    ("batch", "CronJob"): "batch:cron_job",
    ("autoscaling", "HorizontalPodAutoscaler"): "autoscaler:autoscaler",
    ("policy", "PodDisruptionBudget"): "config:disruption_budget",
    ("rbac.authorization.k8s.io", "Role"): "rbac:role",
    ("rbac.authorization.k8s.io", "ClusterRole"): "rbac:role",
    ("rbac.authorization.k8s.io", "RoleBinding"): "rbac:role_binding",
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): "rbac:role_binding",
    ("", "PersistentVolume"): "storage:volume",
    ("", "PersistentVolumeClaim"): "storage:claim",
    ("storage.k8s.io", "StorageClass"): "storage:storage_class",
}
NO_EVENTS = frozenset(("Secret", "Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding", "ResourceQuota"))


def run(call: Invocation) -> int:
    flags, session = call.flags, call.session
    errors: list[Exception] = []
    first = True
    for one in _chosen(call, errors):
        try:
            said = described(session, one, show_events=flags["show-events"])
        except ApiError as error:
            errors.append(error)
            continue
        if not first:
            sys.stdout.write("\n\n")
        first = False
        sys.stdout.write(said)
    if first and not errors:
        namespaced = not flags["all-namespaces"]
        complain(f"No resources found in {session.namespace} namespace." if namespaced else "No resources found")
    raise_all(errors)
    return 0


def described(session: Session, one: Found, *, show_events: bool) -> str:
    listed = None
    if show_events and one.info.kind not in NO_EVENTS:
        listed = events_of(session, one.data)
    text = Text()
    describer(one)(session, text, one.data, listed)
    return str(text)


def describer(one: Found) -> Callable[[Session, Text, Object, list[Object] | None], None]:
    where = DESCRIBERS.get((one.info.group, one.info.kind))
    if where is None:
        from sampan.cli.describe.generic import generic

        return lambda session, text, obj, listed: generic(text, obj, listed)
    module, _, name = where.partition(":")
    function: Any = getattr(import_module(f"sampan.cli.describe.{module}"), name)
    if function.__code__.co_varnames[0] == "session":
        asking: Callable[[Session, Text, Object, list[Object] | None], None] = function
        return asking
    return lambda session, text, obj, listed: function(text, obj, listed)


def _chosen(call: Invocation, errors: list[Exception]) -> Any:
    flags, session = call.flags, call.session
    if flags["filename"]:
        for one in from_files(session, flags["filename"], recursive=flags["recursive"], errors=errors):
            try:
                yield as_found(one.info, session.client.of(one.info).get(one.name, namespace=one.namespace))
            except ApiError as error:
                errors.append(error)
        return
    if not call.args:
        raise CliError(
            'You must specify the type of resource to describe. Use "kubectl api-resources" for a complete list of '
            "supported resources."
        )
    wanted = targets(session, call.args, allow_empty=True)
    if flags["selector"] and any(target.name for target in wanted):
        raise CliError("name cannot be provided when a selector is specified")
    for target in wanted:
        mine: list[Exception] = []
        yield from found(session, [target], mine, selector=flags["selector"], all_namespaces=flags["all-namespaces"])
        if len(mine) == 1 and isinstance(mine[0], NotFound) and target.name and len(wanted) == 1:
            begun = list(_beginning(session, target))
            if begun:
                yield from begun
                continue
        errors += mine


def _beginning(session: Session, target: Target) -> Any:
    """`describe pod web-`: what is not there by that name may begin with it."""
    client = session.client.of(target.info)
    for item in client.list(namespace=session.where(target.info)).items:
        if item["metadata"]["name"].startswith(target.name):
            yield as_found(target.info, item)


def events_of(session: Session, obj: Object) -> list[Object]:
    """What happened to an object; nothing where that may not be read."""
    metadata = obj.get("metadata") or {}
    uids = [metadata["uid"]] if metadata.get("uid") else []
    if obj.get("kind") == "Node":
        uids.append(metadata["name"])  # a kubelet knows its Node by name only
    namespace = metadata.get("namespace") or ""
    client = session.client.of(session.resources.for_kind("v1", "Event"))
    found: list[Object] = []
    for uid in uids or [""]:
        fields = [f"involvedObject.name={metadata.get('name', '')}", f"involvedObject.kind={obj.get('kind', '')}"]
        fields += [f"involvedObject.namespace={namespace}"] if namespace else []
        fields += [f"involvedObject.uid={uid}"] if uid else []
        try:
            found += client.list(ListOptions(field_selector=",".join(fields)), namespace=namespace).items
        except ApiError:
            break
    return found


COMMAND = Command(
    path="describe",
    run=run,
    flags=(
        *FILES,
        SELECTOR,
        ALL_NAMESPACES,
        Flag("show-events", "bool", True, usage="also what happened"),
        Flag("chunk-size", "int", 500, usage="how many to ask for at once"),
    ),
    summary="All about one object, for people.",
    usage="(TYPE [NAME-PREFIX | NAME …] | TYPE/NAME | -f FILE)",
)
