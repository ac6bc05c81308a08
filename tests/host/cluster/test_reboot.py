"""After a power cut: nothing runs, mounts, namespaces and interfaces are gone, the data is there; `up` brings it back.

The machine cannot be started anew in a test, so the cluster lives in namespaces of its own, and they end at once: the
kernel kills every process and takes mounts, interfaces and rules away, as a reboot does. `/run` is emptied likewise.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from tests.host.cluster.test_footprint import APART, NEEDED
from tests.host.needs import need

pytestmark = pytest.mark.root
ROOT = Path(__file__).parents[3]
BEFORE = """
import sys
from pathlib import Path
from tests.host.cluster.inside import Clusters, network
network()
clusters = Clusters(Path(sys.argv[1]), 1, [sys.argv[2]])
clusters.up()
clusters.have_pods()
print(clusters.run("get", "deployment/web", "-o", "jsonpath={.metadata.uid}", name=sys.argv[2]), flush=True)
"""  # with this process the namespace's first one ends, and with that one all others, at once
AFTER = """
import sys
from pathlib import Path
from tests.host.cluster.inside import Clusters, network
network()
clusters = Clusters(Path(sys.argv[1]), 1, [sys.argv[2]])
clusters.up()
clusters.serve()
print(clusters.run("get", "deployment/web", "-o", "jsonpath={.metadata.uid}", name=sys.argv[2]))
print(clusters.run("get", "pods", "--no-headers", name=sys.argv[2]))
clusters.down("--purge")
"""


def test_the_cluster_comes_back(tmp_path: Path) -> None:
    need(*NEEDED)
    name = f"r{uuid.uuid4().hex[:6]}"
    before = run(BEFORE, tmp_path, name)
    for folder in Path("/run/sampan").glob(f"*{name}*"):  # /run does not outlive a reboot
        shutil.rmtree(folder)
    (Path("/run/sampan/clusters") / name).unlink(missing_ok=True)
    after = run(AFTER, tmp_path, name)
    assert after[0] == before[0], "another Deployment than before"
    pods = [line.split() for line in after[1:] if line]
    assert [(pod[1], pod[2]) for pod in pods] == [("1/1", "Running")] * 3


def run(script: str, directory: Path, name: str) -> list[str]:
    done = subprocess.run(
        [*APART, sys.executable, "-c", script, str(directory), name],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=180,
    )  # fmt: skip
    assert done.stdout, done.stderr
    return done.stdout.splitlines()
