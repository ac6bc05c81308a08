"""Why a Pod waits, node by node, at an address that not everybody may read."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from sampan.testing import Cluster, KubectlError

POD = """{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "big"},
 "spec": {"containers": [{"name": "a", "image": "x", "resources": {"requests": {"cpu": "1000"}}}]}}"""
PATH = "/debug/scheduler/pods/default/big"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster(simulated_nodes=2) as made:
        made.kubectl("create", "-f", "-", stdin=POD)
        made.kubectl("wait", "--for=jsonpath={.status.conditions[0].reason}=Unschedulable", "pod/big", "--timeout=30s")
        yield made


def test_an_administrator_sees_each_node(cluster: Cluster) -> None:
    found = json.loads(cluster.kubectl("get", "--raw", PATH))
    assert found["message"].startswith("0/2 nodes are available: 2 Insufficient cpu.")
    assert found["nodes"] == {
        name: {"plugin": "NodeResourcesFit", "reasons": ["Insufficient cpu"], "preemptionHelps": False}
        for name in ("sim-0001", "sim-0002")
    }


def test_nobody_else_does_unless_told(cluster: Cluster) -> None:
    with pytest.raises(KubectlError) as refused:
        cluster.kubectl("get", "--raw", PATH, "--as=jane")
    assert 'User "jane" cannot get path' in refused.value.stderr
    cluster.kubectl("create", "clusterrole", "why", "--verb=get", "--non-resource-url=/debug/scheduler/*")
    cluster.kubectl("create", "clusterrolebinding", "why", "--clusterrole=why", "--user=jane")
    assert "Insufficient cpu" in cluster.kubectl("get", "--raw", PATH, "--as=jane")


def test_of_pods_that_do_not_wait_nothing_is_known(cluster: Cluster) -> None:
    with pytest.raises(KubectlError, match="no Pod default/other is waiting for a node here"):
        cluster.kubectl("get", "--raw", "/debug/scheduler/pods/default/other")


def test_why_names_the_nodes(cluster: Cluster) -> None:
    with pytest.raises(KubectlError) as said:
        cluster.kubectl("why", "pod/big")
    assert "Insufficient cpu: sim-0001, sim-0002" in said.value.stdout
