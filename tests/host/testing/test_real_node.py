"""`sampan.testing` with a node that runs Pods, as a test-suite with root uses it."""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path
from urllib.request import urlopen

import pytest

from sampan.testing import Cluster
from tests.host.examples.conftest import processes_naming
from tests.host.needs import PODS, need

pytestmark = pytest.mark.root


@pytest.fixture(autouse=True)
def host() -> None:
    need(*PODS)


def test_pods_run_and_are_reached(tmp_path: Path) -> None:
    with Cluster(real_node=True) as cluster:
        name, directory = cluster.name, cluster.kubeconfig.parents[1]
        cluster.example_images()
        cluster.kubectl("create", "deployment", "web", "--image=sampan.local/kubia")
        cluster.kubectl("expose", "deployment", "web", "--port=80", "--target-port=8080")
        cluster.settled()
        cluster.kubectl("wait", "--for=condition=Available", "deployment/web", "--timeout=120s")
        [pod] = json.loads(cluster.kubectl("get", "pods", "-o", "json"))["items"]
        with cluster.port_forward("svc/web", 80) as port, urlopen(f"http://127.0.0.1:{port}") as answer:
            assert answer.read().decode().strip() == f"You've hit {pod['metadata']['name']}"

        archive = tmp_path / "mine.tar"
        with tarfile.open(archive, "w") as empty:
            empty.addfile(tarfile.TarInfo("nothing"))
        with pytest.raises(RuntimeError, match="image load"):
            cluster.load_image(str(archive))
    assert not directory.exists()
    assert processes_naming(str(directory)) == []
    assert [link for link in os.listdir("/sys/class/net") if name in link] == []
    assert [line for line in Path("/proc/mounts").read_text().splitlines() if name in line] == []
