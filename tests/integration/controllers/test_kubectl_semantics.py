"""What people do with the real kubectl: delete namespaces, everything, and custom resources with owners."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from sampan.api.types import core_v1
from sampan.apiserver.bootstrap.servers import Address, Servers
from sampan.cluster.config import new_config
from sampan.cluster.paths import ClusterPaths
from sampan.cluster.server import keep_prepared
from tests.integration.controllers.real_kubectl import Kubectl, kubectl_of
from tests.integration.controllers.world import World

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")

DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "boats.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "boats", "singular": "boat", "kind": "Boat", "listKind": "BoatList"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}


@pytest_asyncio.fixture
async def kubectl(cluster: World, tmp_path: Path) -> AsyncIterator[Kubectl]:
    async with kubectl_of(cluster, tmp_path) as made:
        yield made


def boat(name: str, *, owner: str = "", uid: str = "") -> dict[str, object]:
    metadata: dict[str, object] = {"name": name}
    if owner:
        metadata["ownerReferences"] = [
            {"apiVersion": "example.com/v1", "kind": "Boat", "name": owner, "uid": uid, "blockOwnerDeletion": True}
        ]
    return {"apiVersion": "example.com/v1", "kind": "Boat", "metadata": metadata}


async def test_a_namespace_goes_with_all_that_is_in_it(cluster: World, kubectl: Kubectl) -> None:
    cluster.start()
    await kubectl("create", "namespace", "shop")
    await cluster.until(lambda: cluster.admin.resource(core_v1.ServiceAccount).get("default", namespace="shop"))
    await kubectl("create", "configmap", "m", "--from-literal=a=b", "-n", "shop")
    await kubectl("create", "service", "clusterip", "s", "--tcp=80", "-n", "shop")
    await kubectl("run", "p", "--image=busybox", "-n", "shop")
    assert await kubectl("delete", "namespace", "shop", "--timeout=30s") == 'namespace "shop" deleted\n'
    out = await kubectl("get", "configmaps,pods,services,serviceaccounts,endpointslices", "-n", "shop")
    assert "No resources found in shop namespace." in out


async def test_delete_all_leaves_what_is_no_workload(cluster: World, kubectl: Kubectl) -> None:
    cluster.start()
    await cluster.until(lambda: cluster.admin.resource(core_v1.ServiceAccount).get("default", namespace="default"))
    await kubectl("create", "configmap", "m", "--from-literal=a=b")
    await kubectl("create", "deployment", "d", "--image=busybox", "--replicas=2")
    await kubectl("expose", "deployment", "d", "--port=80")
    await kubectl("run", "p", "--image=busybox")

    async def three_pods() -> bool:
        return len((await kubectl("get", "pods", "-o", "name")).split()) == 3

    await cluster.until(three_pods)
    out = await kubectl("delete", "all", "--all", "--timeout=30s")
    assert 'pod "p" deleted' in out
    assert 'deployment.apps "d" deleted' in out

    async def quiet() -> bool:
        return "No resources found" in await kubectl("get", "pods,deployments,replicasets")

    await cluster.until(quiet)
    assert "configmap/m" in await kubectl("get", "configmaps", "-o", "name")


async def test_the_kubernetes_service_is_made_again(cluster: World, tmp_path: Path) -> None:
    paths = ClusterPaths("sampan", tmp_path)
    config = new_config(paths, nodes=0, port=6443)
    config.service_cidr = "10.96.0.0/16"  # whatever other clusters of this host have
    own = Servers(cluster.chain.core.store, Address(6443, "10.0.0.1"))
    keeping = asyncio.create_task(keep_prepared(cluster.chain, config, own))
    services = cluster.admin.resource(core_v1.Service)
    first = await services.get("kubernetes", namespace="default")
    await asyncio.sleep(0.1)
    await services.delete("kubernetes", namespace="default")
    second = await cluster.until(lambda: services.get("kubernetes", namespace="default"))
    assert second.metadata.uid != first.metadata.uid
    assert second.spec.clusterIP == first.spec.clusterIP
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)


async def establish(cluster: World, kubectl: Kubectl) -> None:
    await kubectl("apply", "-f", "-", stdin=DEFINITION)

    async def established() -> bool:
        path = '{.status.conditions[?(@.type=="Established")].status}'
        return await kubectl("get", "crd/boats.example.com", "-o", f"jsonpath={path}") == "True"

    await cluster.until(established, timeout=5)


@pytest.mark.parametrize("cascade", ["background", "foreground", "orphan"])
async def test_custom_resources_are_owned_and_own(cluster: World, kubectl: Kubectl, cascade: str) -> None:
    cluster.start()
    await establish(cluster, kubectl)
    await kubectl("create", "-f", "-", stdin=boat("mother"))
    uid = await kubectl("get", "boat", "mother", "-o", "jsonpath={.metadata.uid}")
    await kubectl("create", "-f", "-", stdin=boat("child", owner="mother", uid=uid))
    await kubectl("delete", "boat", "mother", f"--cascade={cascade}", "--timeout=30s")

    async def as_expected() -> bool:
        found = await kubectl("get", "boats", "-o", "name")
        if cascade != "orphan":
            return "child" not in found
        owners = await kubectl("get", "boat", "child", "-o", "jsonpath={.metadata.ownerReferences}")
        return "mother" not in found and owners == ""

    await cluster.until(as_expected, timeout=20)


async def test_a_namespace_takes_its_custom_resources_along(cluster: World, kubectl: Kubectl) -> None:
    cluster.start()
    await establish(cluster, kubectl)
    await kubectl("create", "namespace", "port")
    await kubectl("create", "-n", "port", "-f", "-", stdin=boat("b"))
    await kubectl("delete", "namespace", "port", "--timeout=30s")
    assert "No resources found" in await kubectl("get", "boats", "-A")
