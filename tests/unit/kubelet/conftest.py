"""A kubelet in a world of its own, where nothing waits for a thread or a clock."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.unit.kubelet.world import World, in_the_loop


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(asyncio, "to_thread", in_the_loop)
    return World(tmp_path)
