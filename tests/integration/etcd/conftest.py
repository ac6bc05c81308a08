from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.etcd.servers import three_members
from tests.unit.storage.etcd.member import Member


@pytest.fixture
async def member(tmp_path: Path) -> AsyncIterator[Member]:
    if shutil.which("etcd") is None:
        pytest.skip("etcd is not installed")
    made = await asyncio.to_thread(Member.start, tmp_path)
    yield made
    made.end()


@pytest.fixture
async def members(tmp_path: Path) -> AsyncIterator[list[Member]]:
    """Three of one etcd."""
    if shutil.which("etcd") is None:
        pytest.skip("etcd is not installed")
    made = await asyncio.to_thread(three_members, tmp_path)
    yield made
    for each in made:
        each.end()
