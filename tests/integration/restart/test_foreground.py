"""`sampan up --foreground`, as systemd and containers run it: the cluster ends with it, in order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_cluster_ends_with_it(tmp_path: Path, number: signal.Signals) -> None:
    environment = {
        **os.environ,
        "SAMPAN_HOME": str(tmp_path / "home"),
        "SAMPAN_NAME": f"g{uuid.uuid4().hex[:5]}",
        "KUBECONFIG": str(tmp_path / "kubeconfig"),
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, "-m", "sampan"]
    up = subprocess.Popen(
        [*command, "up", "--nodes", "0", "--foreground"], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert up.stdout is not None
        assert up.stdout.readline().startswith("Ready.")
        assert subprocess.run([*command, "status"], env=environment, capture_output=True, check=False).returncode == 0
        up.send_signal(number)
        assert up.wait(30) == 0
        said = subprocess.run([*command, "status"], env=environment, capture_output=True, text=True, check=False)
        assert "not running" in said.stdout
        assert "sampan-" not in (tmp_path / "kubeconfig").read_text()
    finally:
        up.kill()
        subprocess.run([*command, "down", "--purge"], env=environment, capture_output=True, check=True)
