"""lightkube and kr8s: the same server through other eyes."""

from __future__ import annotations

from pathlib import Path

import pytest


def test_lightkube(kubeconfig: Path, sampan_namespace: str) -> None:
    lightkube = pytest.importorskip("lightkube", reason="lightkube is not installed")
    from lightkube.models.meta_v1 import ObjectMeta
    from lightkube.resources.apps_v1 import Deployment
    from lightkube.resources.core_v1 import ConfigMap
    from lightkube.types import PatchType

    client = lightkube.Client(config=lightkube.KubeConfig.from_file(str(kubeconfig)), field_manager="test")
    client.create(ConfigMap(metadata=ObjectMeta(name="c", namespace=sampan_namespace), data={"a": "1"}))
    client.patch(ConfigMap, "c", {"data": {"b": "2"}}, namespace=sampan_namespace, patch_type=PatchType.MERGE)
    assert client.get(ConfigMap, "c", namespace=sampan_namespace).data == {"a": "1", "b": "2"}
    client.apply(ConfigMap(metadata=ObjectMeta(name="d", namespace=sampan_namespace), data={"a": "1"}))
    names = {c.metadata.name for c in client.list(ConfigMap, namespace=sampan_namespace)}
    assert {"c", "d"} <= names
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    client.create(Deployment.from_dict({"metadata": {"name": "d", "namespace": sampan_namespace}, "spec": spec}))
    scale = client.get(Deployment.Scale, "d", namespace=sampan_namespace)
    assert scale.spec.replicas == 1
    client.delete(ConfigMap, "c", namespace=sampan_namespace)
    kind, found = next(
        iter(client.watch(ConfigMap, namespace=sampan_namespace, fields={"metadata.name": "d"}, server_timeout=1))
    )
    assert (kind, found.metadata.name) == ("ADDED", "d")


async def test_kr8s(kubeconfig: Path, sampan_namespace: str) -> None:
    pytest.importorskip("kr8s", reason="kr8s is not installed")
    import kr8s.asyncio
    from kr8s.asyncio.objects import ConfigMap

    api = await kr8s.asyncio.api(kubeconfig=str(kubeconfig))
    made = await ConfigMap({"metadata": {"name": "c", "namespace": sampan_namespace}, "data": {"a": "1"}}, api=api)
    await made.create()
    await made.patch({"data": {"b": "2"}})
    assert dict(made.data) == {"a": "1", "b": "2"}
    await made.label({"x": "y"})
    found = [c.name async for c in api.get("configmaps", namespace=sampan_namespace, label_selector="x=y")]
    assert found == ["c"]
    await made.delete()
    assert not await made.exists()
    assert (await api.version())["gitVersion"].startswith("v1.36")
