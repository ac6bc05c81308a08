"""Certificates near their end are renewed, whatever went wrong the last time."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from sampan.cluster import certificates
from sampan.cluster.config import ClusterConfig
from sampan.cluster.pki import Pki
from sampan.cluster.renewal import renewing


async def test_again_and_again_also_after_a_failure() -> None:
    looks = 0
    enough = asyncio.Event()

    async def renew() -> None:
        nonlocal looks
        looks += 1
        if looks == 1:
            raise OSError("the disk is full")
        if looks == 3:
            enough.set()

    async with asyncio.timeout(5):
        async with renewing(renew, every=0):
            await enough.wait()
    seen = looks
    await asyncio.sleep(0)
    assert looks == seen


def test_only_what_nears_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, pki = ClusterConfig(name="t"), Pki(tmp_path)
    pki.ensure(config, {})
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    pki.ensure(config, {})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    monkeypatch.setattr(certificates, "RENEW_BEFORE", timedelta(days=366))  # longer than a year's certificate lasts
    pki.ensure(config, {})
    changed = {name for name, content in before.items() if (tmp_path / name).read_bytes() != content}
    assert {"apiserver.crt", "apiserver.key", "apiserver-kubelet.crt", "admin.crt"} <= changed
    assert not changed & {"ca.crt", "ca.key", "service-account.key"}
