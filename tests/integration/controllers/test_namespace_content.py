"""What every namespace and Node gets by itself."""

from sampan.api.types import core_v1, meta_v1
from tests.integration.controllers.world import CA, World


async def test_a_namespace_gets_its_service_account_and_the_ca(cluster: World) -> None:
    cluster.start("serviceaccount-controller", "root-ca-certificate-publisher-controller")
    admin = cluster.admin
    await admin.resource(core_v1.Namespace).create(core_v1.Namespace(metadata=meta_v1.ObjectMeta(name="n")))
    for name in ("n", "default", "kube-system"):
        await cluster.until(lambda name=name: admin.resource(core_v1.ServiceAccount).get("default", namespace=name))
        found = await cluster.until(
            lambda name=name: admin.resource(core_v1.ConfigMap).get("kube-root-ca.crt", namespace=name)
        )
        assert found.data == {"ca.crt": CA}


async def test_what_is_deleted_or_changed_is_put_right(cluster: World) -> None:
    cluster.start("serviceaccount-controller", "root-ca-certificate-publisher-controller")
    accounts, maps = cluster.admin.resource(core_v1.ServiceAccount), cluster.admin.resource(core_v1.ConfigMap)
    first = await cluster.until(lambda: accounts.get("default", namespace="default"))
    await cluster.until(lambda: maps.get("kube-root-ca.crt", namespace="default"))
    await accounts.delete("default", namespace="default")
    await maps.patch("kube-root-ca.crt", {"data": {"ca.crt": "wrong", "more": "x"}}, namespace="default")

    async def is_right() -> bool:
        account = await accounts.get("default", namespace="default")
        found = await maps.get("kube-root-ca.crt", namespace="default")
        return account.metadata.uid != first.metadata.uid and found.data == {"ca.crt": CA}

    await cluster.until(is_right)


async def test_nodes_get_ranges_that_differ(cluster: World) -> None:
    nodes = cluster.admin.resource(core_v1.Node)
    taken = core_v1.Node(
        metadata=meta_v1.ObjectMeta(name="old"),
        spec=core_v1.NodeSpec(podCIDR="10.244.0.0/24", podCIDRs=["10.244.0.0/24"]),
    )
    await nodes.create(taken)
    cluster.start("node-ipam-controller")
    for index in range(5):
        await nodes.create(core_v1.Node(metadata=meta_v1.ObjectMeta(name=f"n{index}")))

    async def ranges() -> set[str] | None:
        found = [n.spec.podCIDR for n in (await nodes.list()).items]
        return set(found) if all(found) else None  # type: ignore[arg-type]

    assert await cluster.until(ranges) == {f"10.244.{i}.0/24" for i in range(6)}
