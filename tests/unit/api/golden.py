"""What a real Kubernetes answered, for tests that compare with it; they skip where the recordings are absent."""

import json
from pathlib import Path
from typing import Any

import pytest

_GOLDEN = Path(__file__).resolve().parents[3].parent / "shared" / "golden"


def rows(name: str) -> list[dict[str, Any]]:
    path = _GOLDEN / name
    if not path.exists():
        pytest.skip(f"the recordings of a real Kubernetes are absent ({path})", allow_module_level=True)
    found: list[dict[str, Any]] = json.loads(path.read_text())
    return found
