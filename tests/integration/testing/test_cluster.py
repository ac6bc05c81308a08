"""`sampan.testing` as a test-suite uses it."""

import asyncio
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sampan.api.types import apps_v1, core_v1, meta_v1
from sampan.client.kubeconfig import load_client
from sampan.testing import Cluster, KubectlError

SUITE = """
import json
import pytest
from sampan.testing import KubectlError

def test_deployment(kubectl, settled):
    kubectl("create", "deployment", "web", "--image=nginx", "--replicas=3")
    settled()
    assert len(json.loads(kubectl("get", "pods", "-o", "json"))["items"]) == 3

def test_namespaces_are_apart(kubectl, sampan_namespace):
    assert json.loads(kubectl("get", "pods", "-o", "json"))["items"] == []
    assert sampan_namespace.startswith("test-namespaces-are-apart-")

def test_kubeconfig(kubeconfig, sampan_cluster):
    assert sampan_cluster.url in kubeconfig.read_text()
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster() as running:
        yield running


async def test_controllers_have_acted_once_settled(cluster: Cluster) -> None:
    """Asked with no time in between: a `settled` that does not wait would be found out."""
    client = load_client(str(cluster.kubeconfig), user_agent="test")
    try:
        for n in range(5):
            labels = {"app": f"web-{n}"}
            made = apps_v1.Deployment(
                kind="Deployment",
                apiVersion="apps/v1",
                metadata=meta_v1.ObjectMeta(name=f"web-{n}"),
                spec=apps_v1.DeploymentSpec(
                    replicas=30,
                    selector=meta_v1.LabelSelector(matchLabels=labels),
                    template=core_v1.PodTemplateSpec(
                        metadata=meta_v1.ObjectMeta(labels=labels),
                        spec=core_v1.PodSpec(containers=[core_v1.Container(name="web", image="nginx")]),
                    ),
                ),
            )
            await client.resource(apps_v1.Deployment).create(made, namespace="default")
            cluster.settled()
            pods = await client.resource(core_v1.Pod).list(namespace="default", label_selector=f"app=web-{n}")
            assert len(pods.items) == 30
    finally:
        await client.close()


async def test_a_namespace_has_its_account_as_soon_as_a_pod_wants_it(cluster: Cluster) -> None:
    """Asked with no time in between, as one file that holds both does."""
    client = load_client(str(cluster.kubeconfig), user_agent="test")
    try:
        for n in range(10):
            meta = meta_v1.ObjectMeta(name=f"room-{n}")
            await client.resource(core_v1.Namespace).create(core_v1.Namespace(metadata=meta))
            spec = core_v1.PodSpec(containers=[core_v1.Container(name="web", image="nginx")])
            pod = core_v1.Pod(metadata=meta_v1.ObjectMeta(name="web"), spec=spec)
            made = await client.resource(core_v1.Pod).create(pod, namespace=f"room-{n}")
            assert made.spec.serviceAccountName == "default"
    finally:
        await client.close()


def test_a_failing_kubectl_says_why(cluster: Cluster) -> None:
    with pytest.raises(KubectlError, match="NotFound") as raised:
        cluster.kubectl("get", "pod", "nobody")
    assert raised.value.code == 1


def test_strangers_are_not_let_in(cluster: Cluster) -> None:
    context = ssl.create_default_context(cafile=str(cluster.ca))
    from urllib.error import HTTPError
    from urllib.request import urlopen

    with pytest.raises(HTTPError) as raised:
        urlopen(f"{cluster.url}/api/v1/secrets", context=context)
    assert raised.value.code in (401, 403)


async def test_async_and_nothing_stays() -> None:
    async with Cluster("other") as other:
        directory = other.kubeconfig.parent
        out = await asyncio.to_thread(other.kubectl, "get", "namespaces", "-o", "name")
        assert "namespace/default" in out
    assert not directory.exists()
    assert not [t for t in threading.enumerate() if t.name == "sampan other"]
    with pytest.raises(RuntimeError, match="does not run"):
        other.settled()


@pytest.mark.parametrize("workers", ["0", "2"])
def test_plugin(tmp_path: Path, workers: str) -> None:
    (tmp_path / "test_mine.py").write_text(SUITE)
    plugins = ["-p", "sampan.testing.plugin", "-p", "xdist", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, "-n", workers, "-q", str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "3 passed" in done.stdout, done.stdout + done.stderr
