"""What tests of the host cannot do without."""

from __future__ import annotations

import os
import shutil

import pytest

PODS = ("conmon", "catatonit", "nft", "busybox")  # to run Pods, on images that are made on the spot


def need(*tools: str) -> None:
    """Skips the test where root or a tool is missing."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    if missing := [tool for tool in tools if shutil.which(tool) is None]:
        pytest.skip(f"needs {', '.join(missing)}")
