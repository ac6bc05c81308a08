"""What the command line pays for: its lane of this room imports nothing that takes long."""

import subprocess
import sys

import pytest

HEAVY = ("aiohttp", "asyncio", "yarl", "multidict", "cryptography", "hypothesis", "sampan.client.http")


@pytest.mark.parametrize(
    "module",
    [
        "sampan.client.sync_api",
        "sampan.client.kubeconfig",
        "sampan.client.discovery_cache",
        "sampan.client.resources",
        "sampan.client.channels",
        "sampan.client.api",
    ],
)
def test_light_modules_stay_light(module: str) -> None:
    code = f"import {module}, sys; print(*(m for m in {HEAVY!r} if m in sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert found == []
