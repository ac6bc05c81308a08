"""One cluster for all tests of this folder; each uses Pods of its own names."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host.kubelet.cluster import Cluster


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    missing = [tool for tool in ("conmon", "catatonit", "nft", "busybox") if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    name = f"kt{uuid.uuid4().hex[:5]}"
    made = Cluster(tmp_path_factory.mktemp("home"), name)
    try:
        made.up()
        yield made
    finally:
        made.down()
    assert not list(Path("/run/sampan").glob(f"{name}*")), "the node left something behind"
    left = Path("/proc/self/mountinfo").read_text()
    assert str(made.root) not in left, "mounts were left behind"
