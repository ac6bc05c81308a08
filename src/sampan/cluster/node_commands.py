"""`sampan node`: take a node out of the cluster, once it is empty and its agent has ended."""

from collections.abc import Sequence

import click

from sampan.api.errors import NotFound
from sampan.api.types import certificates_v1, coordination_v1, core_v1
from sampan.client.api import Client
from sampan.cluster.administrator import as_administrator
from sampan.cluster.commands import cluster_name
from sampan.cluster.paths import ClusterPaths

LEASES = "kube-node-lease"
_MIRROR = "kubernetes.io/config.mirror"


class StillInUse(Exception):
    """The message says what to do."""


@click.group("node")
def node_group() -> None:
    """Nodes of the cluster."""


@node_group.command("rm")
@cluster_name
@click.argument("node")
@click.option("--force", is_flag=True, help="also when it runs, or Pods are left on it: they end with it")
def rm_command(paths: ClusterPaths, node: str, *, force: bool) -> int:
    """Take NODE out of the cluster.

    Before: sampan drain NODE --ignore-daemonsets, then stop its agent. Afterwards, on its machine: sampan down --purge
    """
    try:
        as_administrator(paths, lambda client: remove(client, node, force=force))
    except StillInUse as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"node {node!r} removed")
    return 0


async def remove(client: Client, name: str, *, force: bool = False) -> None:
    """Raises `StillInUse`, `NotFound`."""
    nodes = client.resource(core_v1.Node)
    node = await nodes.get(name)
    pods = (await client.resource(core_v1.Pod).list(field_selector=f"spec.nodeName={name}")).items
    if not force and (why := objection(node, pods)):
        raise StillInUse(why)
    for pod in pods:  # nobody is left to say that they have ended
        await _delete(client, core_v1.Pod, pod.metadata.name or "", pod.metadata.namespace or "", grace=0)
    await nodes.delete(name)
    await _delete(client, coordination_v1.Lease, name, LEASES)
    requests = client.resource(certificates_v1.CertificateSigningRequest)
    for request in (await requests.list()).items:
        if request.spec.username == f"system:node:{name}" or (request.metadata.name or "").startswith(
            f"node-csr-{name}-"
        ):
            await _delete(client, certificates_v1.CertificateSigningRequest, request.metadata.name or "")


async def _delete(client: Client, kind: type, name: str, namespace: str = "", *, grace: int | None = None) -> None:
    try:
        await client.resource(kind).delete(name, namespace=namespace, grace_period_seconds=grace)
    except NotFound:
        pass


def objection(node: core_v1.Node, pods: Sequence[core_v1.Pod]) -> str:
    """Why it should not go yet; empty when it may."""
    name = node.metadata.name or ""
    left = sorted(f"{p.metadata.namespace}/{p.metadata.name}" for p in pods if not bound_to_node(p))
    if left:
        shown = ", ".join(left[:3]) + (f" and {len(left) - 3} more" if len(left) > 3 else "")
        return f"Pods are left on it ({shown}): sampan drain {name} --ignore-daemonsets, or --force"
    if any(c.type == "Ready" and c.status == "True" for c in node.status.conditions or ()):
        return f"node {name!r} is Ready and would come back: stop its agent first, or --force"
    return ""


def bound_to_node(pod: core_v1.Pod) -> bool:
    """What drain leaves: it belongs to the node, or has ended."""
    owners = {owner.kind for owner in pod.metadata.ownerReferences or ()}
    mirror = _MIRROR in (pod.metadata.annotations or {})
    return mirror or "DaemonSet" in owners or pod.status.phase in ("Succeeded", "Failed")
