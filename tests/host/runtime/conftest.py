"""Host tests of the runtime run real containers: as root, with an OCI runtime, conmon, catatonit and busybox."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvloop

from tests.host.runtime.world import BUSYBOX, OCI_RUNTIME, World


@pytest.fixture(scope="session")
def event_loop_policy() -> asyncio.AbstractEventLoopPolicy:
    """As agents run it."""
    return uvloop.EventLoopPolicy()


@pytest.fixture
async def world(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """A node of its own; after the test nothing of it may be left."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    missing = [tool for tool in ("conmon", "catatonit", "ip", BUSYBOX) if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    made = World(tmp_path, oci=getattr(request, "param", os.environ.get(OCI_RUNTIME, "")))
    await made.start()
    try:
        yield made
    finally:
        await made.close()
    traces = made.traces()
    assert not any(traces.values()), traces
