"""`create role | clusterrole | rolebinding | clusterrolebinding`."""

from __future__ import annotations

from sampan.cli.command import Command, Invocation
from sampan.cli.errors import PlainError
from sampan.cli.flags import Flag
from sampan.cli.generate import rbac
from sampan.cli.making import MAKING, make, require, said_namespace, the_name
from sampan.client.resources import NoSuchResource

RULES = (
    Flag("verb", "list", usage="what may be done"),
    Flag("resource", "list", usage="to what: pods, deployments.apps, pods/log"),
    Flag("resource-name", "array", usage="only to those of this name"),
)
SUBJECTS = (
    Flag("user", "array", usage="a user"),
    Flag("group", "array", usage="a group"),
    Flag("serviceaccount", "array", usage="namespace:name"),
)


def _resolver(call: Invocation) -> rbac.Resolve:
    for verb in call.flags["verb"]:
        if verb not in rbac.STANDARD_VERBS:
            call.complain(f"Warning: '{verb}' is not a standard resource verb")

    def resolve(word: str) -> tuple[str, str]:
        try:
            info = call.session.resolve(word)
        except NoSuchResource as error:
            raise PlainError(str(error)) from None
        return info.group, info.resource

    return resolve


def _role(call: Invocation) -> None:
    flags = call.flags
    made = rbac.role(
        the_name(call),
        flags["verb"],
        flags["resource"],
        flags["resource-name"],
        _resolver(call),
        namespace=said_namespace(call),
    )
    make(call, made)


def _cluster_role(call: Invocation) -> None:
    flags = call.flags
    made = rbac.cluster_role(
        the_name(call),
        flags["verb"],
        flags["resource"],
        flags["resource-name"],
        flags["non-resource-url"],
        flags["aggregation-rule"],
        _resolver(call),
    )
    make(call, made)


def _role_binding(call: Invocation) -> None:
    flags = call.flags
    made = rbac.binding(
        the_name(call),
        cluster_wide=False,
        role_name=flags["role"],
        cluster_role_name=flags["clusterrole"],
        users=flags["user"],
        groups=flags["group"],
        accounts=flags["serviceaccount"],
        namespace=said_namespace(call),
    )
    make(call, made, failing="failed to create rolebinding: ")


def _cluster_role_binding(call: Invocation) -> None:
    require(call, "clusterrole")
    flags = call.flags
    made = rbac.binding(
        the_name(call),
        cluster_wide=True,
        cluster_role_name=flags["clusterrole"],
        users=flags["user"],
        groups=flags["group"],
        accounts=flags["serviceaccount"],
    )
    make(call, made, failing="failed to create clusterrolebinding: ")


ROLE = Command(
    path="create role",
    run=_role,
    flags=(*MAKING, *RULES),
    summary="Create a Role.",
    usage="NAME --verb=verb --resource=resource.group/subresource [--resource-name=name]",
)
CLUSTER_ROLE = Command(
    path="create clusterrole",
    run=_cluster_role,
    flags=(
        *MAKING,
        *RULES,
        Flag("non-resource-url", "list", usage="a path of the API server"),
        Flag("aggregation-rule", "map", usage="labels of the roles to gather"),
    ),
    summary="Create a ClusterRole.",
    usage="NAME --verb=verb --resource=resource.group [--non-resource-url=url]",
)
ROLE_BINDING = Command(
    path="create rolebinding",
    run=_role_binding,
    flags=(*MAKING, *SUBJECTS, Flag("role", usage="a Role"), Flag("clusterrole", usage="a ClusterRole")),
    summary="Create a RoleBinding.",
    usage="NAME (--clusterrole=NAME|--role=NAME) [--user=user] [--group=group] [--serviceaccount=namespace:name]",
)
CLUSTER_ROLE_BINDING = Command(
    path="create clusterrolebinding",
    run=_cluster_role_binding,
    flags=(*MAKING, *SUBJECTS, Flag("clusterrole", usage="the ClusterRole")),
    summary="Create a ClusterRoleBinding.",
    usage="NAME --clusterrole=NAME [--user=user] [--group=group] [--serviceaccount=namespace:name]",
)
