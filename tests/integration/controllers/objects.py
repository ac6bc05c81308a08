"""Small objects for these tests, and the kubelet's part in them: what a node would write."""

from __future__ import annotations

from typing import Any

from sampan.api.types import core_v1, meta_v1
from tests.integration.controllers.world import World


def pod(name: str, *, namespace: str = "default", labels: dict[str, str] | None = None, **spec: Any) -> core_v1.Pod:
    spec.setdefault("containers", [core_v1.Container(name="a", image="busybox")])
    return core_v1.Pod(
        metadata=meta_v1.ObjectMeta(name=name, namespace=namespace, labels=labels), spec=core_v1.PodSpec(**spec)
    )


def service(name: str, *, namespace: str = "default", **spec: Any) -> core_v1.Service:
    spec.setdefault("ports", [core_v1.ServicePort(port=80, targetPort=8080)])
    return core_v1.Service(
        metadata=meta_v1.ObjectMeta(name=name, namespace=namespace), spec=core_v1.ServiceSpec(**spec)
    )


async def make_pod(
    cluster: World, made: core_v1.Pod, *, ip: str = "", ready: bool = True, node: str = ""
) -> core_v1.Pod:
    """As if a kubelet ran it, when it has an address."""
    pods = cluster.admin.resource(core_v1.Pod)
    namespace = made.metadata.namespace or ""
    await cluster.until(lambda: cluster.admin.resource(core_v1.ServiceAccount).get("default", namespace=namespace))
    if node:
        made.spec.nodeName = node
    made = await pods.create(made)
    return await set_status(cluster, made, ip=ip, ready=ready) if ip else made


async def set_status(
    cluster: World, made: core_v1.Pod, *, ip: str = "", ready: bool = True, phase: str = "Running"
) -> core_v1.Pod:
    status: dict[str, Any] = {
        "phase": phase,
        "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
    }
    if ip:
        status |= {"podIP": ip, "podIPs": [{"ip": ip}]}
    return await cluster.admin.resource(core_v1.Pod).patch(
        made.metadata.name or "", {"status": status}, namespace=made.metadata.namespace or "", subresource="status"
    )
