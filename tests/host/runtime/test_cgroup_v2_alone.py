"""A host with nothing but cgroup v2: the tests of Pods again, in a mount namespace where v1 is not to be seen.

The kernel gives a controller to one version only, so what v1 holds outside cannot be limited here; the test of limits
uses what is free (hugetlb, on most hosts with v1). Where the kernel's cgroups are v2 anyway, all other tests show this.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sampan.runtime import cgroups
from sampan.runtime import contract as cri
from tests.host.runtime.world import OCI_RUNTIME, World

pytestmark = pytest.mark.root

NOT_WITHOUT_CONTROLLERS = "crun or killed_at_any_moment or limits_reach or out_of_memory or stats or nobody_looked"
INSIDE = "SAMPAN_TEST_CGROUP_V2"


@pytest.mark.timeout(200)
@pytest.mark.skipif(INSIDE in os.environ, reason="once is enough")
def test_pods_on_cgroup_v2(tmp_path: Path) -> None:
    found = cgroups.detect()
    if os.geteuid() != 0 or shutil.which("runc") is None or found is None:
        pytest.skip("needs root, runc and cgroups")
    if found.layout is cgroups.Layout.V2:
        pytest.skip("this host has cgroup v2 alone: the other tests run on it as it is")
    root = Path(__file__).parents[3]
    unmount = f"umount {found.v2_beside}; " if found.v2_beside else ""
    inner = (
        f'{unmount}mount -t cgroup2 none {cgroups.ROOT} || exit 99; exec "$@" -q --timeout 60 -p no:cacheprovider '
        f"-k 'not ({NOT_WITHOUT_CONTROLLERS})' tests/host/runtime/test_pods.py tests/host/runtime/test_containers.py "
        "tests/host/runtime/test_survival.py tests/host/runtime/test_cgroup_v2_alone.py"
    )
    result = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", inner, "sh", sys.executable, "-m", "pytest"],
        cwd=root, capture_output=True, text=True, timeout=180, env=os.environ | {OCI_RUNTIME: "runc", INSIDE: "1"},
    )  # fmt: skip
    if result.returncode == 99:
        pytest.skip(f"cgroup v2 cannot be mounted here: {result.stderr}")
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-2000:]
    assert " passed" in result.stdout


@pytest.mark.skipif(INSIDE not in os.environ, reason="runs inside the other test of this file")
async def test_a_v2_limit(world: World) -> None:
    tree = world.runtime.node.tree
    assert tree.layout is cgroups.Layout.V2
    if "hugetlb" not in Path(cgroups.ROOT, "cgroup.controllers").read_text().split():
        pytest.skip("no controller is free for cgroup v2 here")
    huge = cri.Resources(hugepage_limits=[cri.HugepageLimit(page_size="2MB", limit=4 << 20)])
    sandbox = await world.sandbox(resources=huge)
    container = await world.container(sandbox, "sleep", "100", resources=huge)
    for record in (world.runtime.node.sandbox(sandbox).record, world.runtime.node.container(container).record):
        where = Path(cgroups.ROOT, record.cgroup_path)
        assert (where / "hugetlb.2MB.max").read_text().strip() == str(4 << 20)
    pid = (await world.runtime.container_status(container)).pid
    group = Path(f"/proc/{pid}/cgroup").read_text().partition("0::")[2].strip()
    assert group.endswith(world.runtime.node.container(container).record.cgroup_path)
    assert tree.kill(world.runtime.node.container(container).record.cgroup_path) == 0  # by the kernel, all at once
    assert (await world.ended(container)).exit_code == 137
