"""Clusters of one host have address ranges of their own, also those that were made in another home."""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path

import pytest

from sampan.cluster import config as configs
from sampan.cluster.paths import ClusterPaths


def test_no_two_clusters_share_addresses() -> None:
    ranges = [IPv4Network(r) for i in range(96) for r in (configs.pod_cidr(i), configs.service_cidr(i))]
    assert len(set(ranges)) == len(ranges)


def test_ranges_that_the_host_has_already_are_left_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SAMPAN_HOME", str(tmp_path))
    monkeypatch.setattr(configs, "ranges_in_use", lambda index: index < 3)
    made = configs.new_config(ClusterPaths.of("other"), nodes=1, port=None)
    assert (made.index, made.pod_cidr, made.service_cidr) == (3, "10.247.0.0/16", "10.99.0.0/16")
