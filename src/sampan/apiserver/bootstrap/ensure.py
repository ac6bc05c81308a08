"""Makes what is missing of the objects that every cluster starts with; puts bootstrap roles right that were cut."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from sampan.api.errors import AlreadyExists, ApiError, Conflict
from sampan.apiserver.bootstrap import flowcontrol, rbac
from sampan.apiserver.bootstrap.servers import Address, publish
from sampan.apiserver.core import Core
from sampan.apiserver.started import NAMESPACES as NAMESPACES_MADE
from sampan.apiserver.started import OBJECTS
from sampan.client.api import Client

log = logging.getLogger(__name__)

NAMESPACES = ("kube-system", "kube-public", "kube-node-lease", "default")
Object = dict[str, Any]


def basic(service_ip: str, service_cidr: str, port: int) -> list[Object]:
    priority = {"kind": "PriorityClass", "apiVersion": "scheduling.k8s.io/v1"}
    critical = "Used for system critical pods that must not be moved from their current node."
    return [
        {
            **priority,
            "metadata": {"name": "system-node-critical"},
            "value": 2000001000,
            "description": critical,
        },
        {
            **priority,
            "metadata": {"name": "system-cluster-critical"},
            "value": 2000000000,
            "description": "Used for system critical pods that must run in the cluster, but can be moved to another "
            "node if necessary.",
        },
        {
            "kind": "Service",
            "apiVersion": "v1",
            "metadata": {
                "name": "kubernetes",
                "namespace": "default",
                "labels": {"component": "apiserver", "provider": "kubernetes"},
            },
            "spec": {
                "clusterIP": service_ip,
                "type": "ClusterIP",
                "ports": [{"name": "https", "port": 443, "targetPort": port, "protocol": "TCP"}],
            },
        },
        {
            "kind": "ServiceCIDR",
            "apiVersion": "networking.k8s.io/v1",
            "metadata": {"name": "kubernetes"},
            "spec": {"cidrs": [service_cidr]},
        },
    ]


def namespaces() -> list[Object]:
    return [{"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}} for name in NAMESPACES]


async def ensure(core: Core, client: Client, objects: list[Object]) -> None:
    """All at once: the store commits them together."""
    await asyncio.gather(*(_ensure(core, client, obj) for obj in objects))


async def _ensure(core: Core, client: Client, obj: Object) -> None:
    info = core.scheme.kind_of(obj["apiVersion"], obj["kind"])
    assert info is not None
    meta = obj["metadata"]
    endpoint = core.endpoint_for(info)
    if endpoint.cache.get(meta.get("namespace", ""), meta["name"]) is not None:
        return
    resource = client.dynamic(info.group, info.version, info.resource, kind=info.kind, namespaced=info.namespaced)
    try:
        await resource.create(obj, namespace=meta.get("namespace", ""))
    except AlreadyExists:
        return
    except ApiError:
        # Another server was faster, and has the Service's address already: then it is there by now.
        if endpoint.cache.get(meta.get("namespace", ""), meta["name"]) is None:
            log.exception("cannot make %s %s", info.kind, meta["name"])


async def bootstrap(
    core: Core,
    client: Client,
    *,
    service_ip: str = "10.96.0.1",
    service_cidr: str = "10.96.0.0/16",
    port: int = 6443,
    servers: Sequence[Address] = (),
) -> None:
    await ensure(core, client, namespaces())
    core.started.done(NAMESPACES_MADE)
    await ensure(core, client, [*rbac.objects(), *basic(service_ip, service_cidr, port), *flowcontrol.objects()])
    await _set_status(core, client)
    core.started.done(OBJECTS)

    async def given() -> Sequence[Address]:
        return servers

    if servers:
        await publish(client, given)


async def _set_status(core: Core, client: Client) -> None:
    """The ServiceCIDR is ready from the start."""
    info = core.scheme.resource("networking.k8s.io", "v1", "servicecidrs")
    assert info is not None
    found = core.endpoint_for(info).cache.get("", "kubernetes")
    if found is None or b'"conditions"' in found.tail:
        return
    resource = client.dynamic("networking.k8s.io", "v1", "servicecidrs", kind="ServiceCIDR", namespaced=False)
    current = await resource.get("kubernetes")
    condition = {
        "type": "Ready",
        "status": "True",
        "lastTransitionTime": core.timestamp(),
        "reason": "",
        "message": "Kubernetes Service CIDR is ready",
    }
    current["status"] = {"conditions": [condition]}
    try:
        await resource.update_status(current)
    except Conflict:
        pass  # another server was faster, and says the same
