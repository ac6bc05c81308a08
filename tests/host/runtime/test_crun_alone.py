"""crun on a host whose cgroups it likes: the tests of Pods again, where cgroup v2 is not mounted beside v1."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sampan.runtime import cgroups

pytestmark = pytest.mark.root


@pytest.mark.timeout(200)
def test_pods_with_crun_itself(tmp_path: Path) -> None:
    found = cgroups.detect()
    if os.geteuid() != 0 or shutil.which("crun") is None or found is None:
        pytest.skip("needs root, crun and cgroups")
    if found.layout is not cgroups.Layout.HYBRID:
        pytest.skip("this host does not mix cgroup v1 and v2: the other tests run crun as it is")
    root = Path(__file__).parents[3]
    # Without v2, and without the empty directory it was mounted on: crun would take that for a place for cgroups.
    bare = tmp_path / "cgroup"
    bare.mkdir()
    inner = (
        f"umount {found.v2_beside} && mount -t tmpfs none {bare} && cd {cgroups.ROOT} || exit 99; "
        f"for d in */; do [ $d = unified/ ] || {{ mkdir {bare}/$d && mount --bind $d {bare}/$d; }} || exit 99; done; "
        f'mount --rbind {bare} {cgroups.ROOT} || exit 99; cd {root}; exec "$@" -q --timeout 60 -p no:cacheprovider '
        "-k 'not killed_at_any_moment and not runc' "
        "tests/host/runtime/test_pods.py tests/host/runtime/test_containers.py tests/host/runtime/test_survival.py"
    )
    result = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", inner, "sh", sys.executable, "-m", "pytest"],
        cwd=root, capture_output=True, text=True, timeout=180,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-2000:]
    assert " passed" in result.stdout
