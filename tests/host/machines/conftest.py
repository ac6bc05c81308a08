from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host.machines.machines import Machines, able


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """Three, with three etcd members, servers and nodes of one cluster."""
    if not able():
        pytest.skip("needs root, etcd, nsenter and ip")
    folder: Path = tmp_path_factory.mktemp("m")
    made = Machines(folder, f"t{os.getpid()}")
    try:
        made.start_etcd()
        made.start_first_server("--node-monitor-grace-period", "12")
        for machine in made.all[1:]:
            made.join_server(machine, "--node-monitor-grace-period", "12")
        made.join_agents()
        yield made
    finally:
        made.down()
