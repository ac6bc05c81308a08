"""What is asked of a quota: by new objects, and by changes that take more than there was."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from sampan.api.errors import ApiError, Forbidden
from sampan.apiserver.contracts import AUTHENTICATED, MASTERS, User
from sampan.apiserver.inprocess import InProcessTransport
from sampan.apiserver.secure import cluster_security
from sampan.apiserver.wiring import build_for_tests
from sampan.client.api import Client

ADMIN = User(name="admin", groups=(MASTERS, AUTHENTICATED))
Make = Callable[..., Awaitable[dict[str, Any]]]
KINDS = {
    "resourcequotas": ("", "ResourceQuota"), "services": ("", "Service"), "pods": ("", "Pod"),
    "persistentvolumeclaims": ("", "PersistentVolumeClaim"), "serviceaccounts": ("", "ServiceAccount"),
    "resourceclaims": ("resource.k8s.io", "ResourceClaim"),
}  # fmt: skip


@pytest.fixture
async def client() -> Client:
    chain = await build_for_tests(security=cluster_security(None))
    client = Client(InProcessTransport(chain, user=ADMIN))
    spaces = client.dynamic("", "v1", "namespaces", kind="Namespace", namespaced=False)
    await spaces.create({"metadata": {"name": "n"}})
    await made(client, "serviceaccounts", "default", None)
    return client


def of(client: Client, resource: str) -> Any:
    group, kind = KINDS[resource]
    return client.dynamic(group, "v1", resource, kind=kind, namespaced=True)


async def made(client: Client, resource: str, name: str, spec: Any) -> dict[str, Any]:
    body = {"metadata": {"name": name}} | ({"spec": spec} if spec is not None else {})
    found: dict[str, Any] = await of(client, resource).create(body, namespace="n")
    return found


async def limit(client: Client, **hard: str) -> None:
    await made(client, "resourcequotas", "q", {"hard": {k.replace("__", "."): v for k, v in hard.items()}})


async def test_a_service_that_asks_for_a_node_port_later_is_refused(client: Client) -> None:
    await limit(client, services__nodeports="0", services="5")
    service = await made(client, "services", "web", {"ports": [{"port": 80}]})
    service["spec"]["type"] = "NodePort"
    with pytest.raises(Forbidden, match=r"exceeded quota: q, requested: services\.nodeports=1, used: "):
        await of(client, "services").update(service)
    service["spec"]["type"] = "ClusterIP"
    service["metadata"]["labels"] = {"a": "b"}
    await of(client, "services").update(service)  # what takes nothing more passes, whatever the quota


async def test_a_load_balancer_without_node_ports_takes_none(client: Client) -> None:
    await limit(client, services__nodeports="0", services__loadbalancers="1")
    spec = {"type": "LoadBalancer", "ports": [{"port": 80}]}
    with pytest.raises(Forbidden, match=r"services\.nodeports"):
        await made(client, "services", "lb", spec)
    await made(client, "services", "lb", {**spec, "allocateLoadBalancerNodePorts": False})


async def test_devices_are_counted_by_class(client: Client) -> None:
    quota = {"hard": {"gold.deviceclass.resource.k8s.io/devices": "3", "count/resourceclaims.resource.k8s.io": "5"}}
    await made(client, "resourcequotas", "q", quota)

    def asking(**exactly: Any) -> dict[str, Any]:
        return {"devices": {"requests": [{"name": "r", "exactly": {"deviceClassName": "gold", **exactly}}]}}

    await made(client, "resourceclaims", "one", asking())
    await made(client, "resourceclaims", "silver", asking(deviceClassName="silver", count=9))
    with pytest.raises(Forbidden, match=r"requested: gold\.deviceclass\.resource\.k8s\.io/devices=3, used: gold"):
        await made(client, "resourceclaims", "three", asking(count=3))
    with pytest.raises(Forbidden, match="devices=32"):
        await made(client, "resourceclaims", "all", asking(allocationMode="All"))
    either = [{"name": "a", "deviceClassName": "gold", "count": 2}, {"name": "b", "deviceClassName": "gold"}]
    await made(client, "resourceclaims", "either", {"devices": {"requests": [{"name": "r", "firstAvailable": either}]}})


async def test_containers_have_to_say_what_they_take(client: Client) -> None:
    await limit(client, cpu="2", limits__memory="1Gi")
    containers = [{"name": n, "image": "i"} for n in ("b", "a")]
    with pytest.raises(Forbidden, match=r"failed quota: q: must specify cpu for: a,b,first; limits\.memory for: a,b,f"):
        await made(client, "pods", "p", {"containers": containers, "initContainers": [{"name": "first", "image": "i"}]})


async def test_a_pod_that_is_resized_past_the_quota_is_refused(client: Client) -> None:
    await limit(client, requests__cpu="1")
    resources = {"requests": {"cpu": "500m"}}
    pod = await made(client, "pods", "p", {"containers": [{"name": "c", "image": "i", "resources": resources}]})
    pod["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "1500m"}}
    with pytest.raises(ApiError, match=r"exceeded quota: q, requested: requests\.cpu=1, used: requests\.cpu=500m"):
        await of(client, "pods").update(pod, subresource="resize")
