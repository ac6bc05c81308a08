"""What a node tells of its Pods' use and to whom; and Pods that begin all over again: through the API server."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from typing import Any

import pytest

from tests.host.kubelet.cluster import Cluster, condition, shell

pytestmark = pytest.mark.root


def metrics(text: str, pod: str) -> dict[str, float]:
    """The numbers of the first container of a Pod, by name."""
    found = {}
    for line in text.splitlines():
        if not line.startswith("#") and f'pod="{pod}"' in line:
            name, _, rest = line.partition("{")
            found.setdefault(name, float(rest.rpartition("} ")[2].split()[0]))
    return found


def test_what_a_node_tells_of_a_pod(cluster: Cluster) -> None:
    busy = shell(
        "dd if=/dev/zero of=/v/f bs=1k count=200; sleep 3600",
        volumeMounts=[{"name": "v", "mountPath": "/v"}],
        readinessProbe={"exec": {"command": ["test", "-s", "/v/f"]}, "periodSeconds": 1},
        resources={"limits": {"memory": "64Mi"}},
    )
    cluster.pod("told", {"volumes": [{"name": "v", "emptyDir": {}}], "containers": [busy]})
    cluster.wait_ready("told")
    node = f"/api/v1/nodes/{cluster.read_pod('told')['spec']['nodeName']}/proxy"

    def read(path: str) -> str:
        return cluster.kubectl("get", "--raw", f"{node}/{path}")

    numbers = metrics(read("metrics/cadvisor"), "told")
    assert numbers["container_spec_memory_limit_bytes"] == 64 << 20
    assert 0 < numbers["container_memory_working_set_bytes"] < 64 << 20
    assert numbers["container_processes"] >= 1
    assert numbers["container_file_descriptors"] >= 1
    assert "container_network_receive_bytes_total" in numbers
    assert metrics(read("metrics/resource"), "told")["pod_cpu_usage_seconds_total"] > 0
    assert metrics(read("metrics/probes"), "told")["prober_probe_total"] >= 1
    summary: dict[str, Any] = json.loads(read("stats/summary"))
    (pod,) = [p for p in summary["pods"] if p["podRef"]["name"] == "told"]
    assert next(v for v in pod["volume"] if v["name"] == "v")["usedBytes"] >= 200 * 1024
    assert pod["network"]["name"] == "eth0"
    running = json.loads(read("runningpods"))["items"]
    assert "told" in [p["metadata"]["name"] for p in running]
    cluster.kubectl("delete", "pod", "told")


def test_who_may_scrape_a_node(cluster: Cluster) -> None:
    """As Prometheus does: with a service account's token, at the node's own port."""
    cluster.kubectl("create", "serviceaccount", "scraper")
    cluster.kubectl("create", "clusterrole", "scraper", "--verb=get", "--resource=nodes/metrics")
    cluster.kubectl(
        "create", "clusterrolebinding", "scraper", "--clusterrole=scraper", "--serviceaccount=default:scraper"
    )
    token = cluster.kubectl("create", "token", "scraper").strip()
    (node,) = cluster.get("/api/v1/nodes")["items"]
    port = node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"]
    unchecked = ssl._create_unverified_context()

    def answer(path: str, token: str) -> int:
        request = urllib.request.Request(
            f"https://127.0.0.1:{port}/{path}", headers={"Authorization": f"Bearer {token}"}
        )
        try:
            with urllib.request.urlopen(request, context=unchecked, timeout=10) as got:
                return int(got.status)
        except urllib.error.HTTPError as error:
            return error.code

    assert answer("metrics/resource", token) == 200
    assert answer("stats/summary", token) == 403
    assert answer("metrics/resource", "none") == 401


def test_a_container_that_starts_them_all_again(cluster: Cluster) -> None:
    rule = {"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [42]}}
    first = shell(
        "[ -f /w/done ] && sleep 3600; touch /w/done; exit 42",
        name="first", restartPolicy="Never", restartPolicyRules=[rule], volumeMounts=[{"name": "w", "mountPath": "/w"}],
    )  # fmt: skip
    spec = {
        "restartPolicy": "Never",
        "initContainers": [shell("exit 0", name="i"), shell("sleep 3600", name="s", restartPolicy="Always")],
        "containers": [first, shell("sleep 3600", name="second")],
        "volumes": [{"name": "w", "emptyDir": {}}],
    }
    cluster.pod("anew", spec)

    def all_again(pod: dict[str, Any]) -> bool:
        status = pod["status"]
        every = [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]
        return len(every) == 4 and all(s["restartCount"] == 1 for s in every) and condition(pod, "Ready") == "True"

    pod = cluster.wait("anew", all_again)
    assert condition(pod, "AllContainersRestarting") == "False"
    cluster.kubectl("delete", "pod", "anew")
