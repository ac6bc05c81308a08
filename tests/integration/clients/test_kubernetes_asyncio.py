"""PyPI's `kubernetes_asyncio`: objects, a watch, errors, the dynamic client."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

kubernetes_asyncio = pytest.importorskip("kubernetes_asyncio", reason="kubernetes_asyncio is not installed")


async def test_objects_and_a_watch(kubeconfig: Path, sampan_namespace: str) -> None:
    from kubernetes_asyncio import client, config, watch
    from kubernetes_asyncio.client.api_client import ApiClient
    from kubernetes_asyncio.dynamic import DynamicClient

    await config.load_kube_config(str(kubeconfig))
    async with ApiClient() as api:
        core = client.CoreV1Api(api)
        listed = await core.list_namespaced_config_map(sampan_namespace)
        seen: list[tuple[str, str]] = []

        async def follow() -> None:
            stream = watch.Watch().stream(
                core.list_namespaced_config_map,
                sampan_namespace,
                label_selector="a=b",
                resource_version=listed.metadata.resource_version,
            )
            async for event in stream:
                seen.append((event["type"], event["object"].metadata.name))
                if event["type"] == "DELETED":
                    return

        following = asyncio.create_task(follow())
        meta = client.V1ObjectMeta(name="c", labels={"a": "b"})
        made = await core.create_namespaced_config_map(
            sampan_namespace, client.V1ConfigMap(metadata=meta, data={"k": "v"})
        )
        assert made.metadata.uid
        patched = await core.patch_namespaced_config_map("c", sampan_namespace, {"data": {"k": "w"}})
        assert patched.data == {"k": "w"}
        with pytest.raises(client.exceptions.ApiException) as refused:
            await core.create_namespaced_config_map(sampan_namespace, client.V1ConfigMap(metadata=meta))
        assert refused.value.status == 409
        found = await core.list_config_map_for_all_namespaces(
            label_selector="a=b", field_selector=f"metadata.namespace={sampan_namespace}", limit=1
        )
        assert [i.metadata.name for i in found.items] == ["c"]
        await core.delete_namespaced_config_map("c", sampan_namespace)
        await asyncio.wait_for(following, 20)
        assert seen == [("ADDED", "c"), ("MODIFIED", "c"), ("DELETED", "c")]
        dynamic = await DynamicClient(api)
        secrets = await dynamic.resources.get(api_version="v1", kind="Secret")
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"a": "b"}}
        created = await dynamic.create(secrets, body=body, namespace=sampan_namespace)
        assert created.data["a"] == "Yg=="
