"""What a process pays for: the command line's lane imports nothing slow, the components' lane no web framework."""

import subprocess
import sys

import pytest

FRAMEWORKS = ("aiohttp", "yarl", "multidict", "cryptography", "http.client", "email")
HEAVY = (*FRAMEWORKS, "asyncio", "yaml", "tempfile", "logging", "sampan.client.http")

LIGHT = ("sync_api", "kubeconfig", "discovery_cache", "resources", "channels", "api")
COMPONENTS = ("http", "async_websocket", "informer", "shared", "workers", "leader", "events", "event_series")


def imported(module: str, among: tuple[str, ...]) -> list[str]:
    code = f"import sampan.client.{module}, sys; print(*(m for m in {among!r} if m in sys.modules))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize("module", LIGHT)
def test_the_command_lines_lane_is_light(module: str) -> None:
    assert imported(module, HEAVY) == []


@pytest.mark.parametrize("module", COMPONENTS)
def test_components_load_no_web_framework(module: str) -> None:
    assert imported(module, FRAMEWORKS) == []
