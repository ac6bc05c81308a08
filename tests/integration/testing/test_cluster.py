"""`sampan.testing` as a test-suite uses it."""

import asyncio
import json
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


def test_simulated_nodes_have_had_their_say_once_settled() -> None:
    with Cluster(simulated_nodes=3) as cluster:
        cluster.kubectl("create", "deployment", "web", "--image=nginx", "--replicas=12")
        cluster.settled()
        pods = json.loads(cluster.kubectl("get", "pods", "-o", "json"))["items"]
        assert [pod["status"]["phase"] for pod in pods] == ["Running"] * 12
        assert len({pod["spec"]["nodeName"] for pod in pods}) == 3
        cluster.kubectl("scale", "deployment", "web", "--replicas=1")
        cluster.settled()
        assert cluster.kubectl("get", "deployment", "web", "-o", "jsonpath={.status.readyReplicas}") == "1"


def test_settled_waits_for_a_revision_that_is_still_to_come(cluster: Cluster) -> None:
    now = int(json.loads(cluster.kubectl("get", "namespace", "default", "-o", "json"))["metadata"]["resourceVersion"])
    with pytest.raises(TimeoutError):
        cluster.settled(0.3, revision=now + 100_000)
    cluster.settled(revision=str(now))


def test_objects_in_a_file() -> None:
    with Cluster(sqlite=True) as cluster:
        assert list(cluster.kubeconfig.parent.rglob("state.db"))
        cluster.kubectl("create", "configmap", "settings", "--from-literal=a=b")
        assert cluster.kubectl("get", "configmap", "settings", "-o", "jsonpath={.data.a}") == "b"


def test_images_are_a_nodes(cluster: Cluster) -> None:
    with pytest.raises(RuntimeError, match="real_node"):
        cluster.load_image("nginx")


def test_strangers_are_not_let_in(cluster: Cluster) -> None:
    context = ssl.create_default_context(cafile=str(cluster.ca))
    from urllib.error import HTTPError
    from urllib.request import urlopen

    with pytest.raises(HTTPError) as raised:
        urlopen(f"{cluster.url}/api/v1/secrets", context=context)
    assert raised.value.code in (401, 403)


async def test_async_and_nothing_stays() -> None:
    async with Cluster("other") as other:
        directory = other.kubeconfig.parent.parent
        out = await asyncio.to_thread(other.kubectl, "get", "namespaces", "-o", "name")
        assert "namespace/default" in out
    assert not directory.exists()
    assert not [t for t in threading.enumerate() if t.name == "sampan other"]
    with pytest.raises(RuntimeError, match="does not run"):
        other.settled()


@pytest.mark.parametrize("workers", ["0", "2"])
def test_plugin(tmp_path: Path, workers: str) -> None:
    assert "3 passed" in suite(tmp_path, SUITE, "-n", workers)


def test_plugin_with_simulated_nodes(tmp_path: Path) -> None:
    """From the ini file, and from the command line, which has the last word."""
    (tmp_path / "pytest.ini").write_text("[pytest]\nsampan_nodes = 2\n")
    counts = """
def test_nodes(kubectl):
    assert kubectl("get", "nodes", "-o", "name").count("node/") == {}
"""
    assert "1 passed" in suite(tmp_path, counts.format(2))
    assert "1 passed" in suite(tmp_path, counts.format(1), "--sampan-nodes=1", "--sampan-sqlite")


def test_kept_namespaces_are_there_in_the_next_test(tmp_path: Path) -> None:
    script = """
kept = []

def test_first(sampan_namespace):
    kept.append(sampan_namespace)

def test_second(kubectl, settled):
    settled()
    assert ("namespace/" + kept[0] in kubectl("get", "namespaces", "-o", "name")) is {}
"""
    assert "2 passed" in suite(tmp_path, script.format(True), "--sampan-keep")
    assert "2 passed" in suite(tmp_path, script.format(False))


def suite(folder: Path, text: str, *options: str) -> str:
    """What pytest says about somebody's tests."""
    (folder / "test_mine.py").write_text(text)
    plugins = ["-p", "sampan.testing.plugin", "-p", "xdist", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, "-q", *options, str(folder)],
        cwd=folder,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr
