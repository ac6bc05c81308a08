"""`sampan down` leaves nothing on the host: everything is compared with how it was before `up`."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from tests.host.needs import PODS, need

pytestmark = pytest.mark.root
NEEDED = (*PODS, "unshare", "ip")
# In namespaces of its own, so that nothing else of this machine can be taken for the cluster's. catatonit reaps.
APART = ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "catatonit", "--"]


CASES = {"one node": (1, 1), "three nodes": (3, 1), "two clusters": (1, 2)}


@pytest.mark.parametrize(("nodes", "clusters"), CASES.values(), ids=CASES)
def test_nothing_is_left(tmp_path: Path, nodes: int, clusters: int) -> None:
    need(*NEEDED)
    names = [f"f{uuid.uuid4().hex[:6]}" for _ in range(clusters)]
    done = subprocess.run(
        [*APART, sys.executable, "-m", "tests.host.cluster.inside", str(tmp_path), str(nodes), *names],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["kinds_while_up"] >= 6, "a comparison that sees nothing of a running cluster shows nothing"
    assert found["down"] == {}
    assert found["purge"] == {}
    assert found["data"] == []
