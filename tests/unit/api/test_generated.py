"""The generated types are what the generator writes, and the core types cost nothing that is not used."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
GENERATOR = ROOT / "tools" / "generate.py"


@pytest.mark.skipif(not GENERATOR.exists(), reason="only the source tree has the generator")
def test_nothing_is_stale() -> None:
    generate = runpy.run_path(str(GENERATOR))["generate"]
    stale = [path.name for path, text in generate().items() if path.read_text(encoding="utf-8") != text]
    assert stale == [], "run `make generate`"


def test_core_types_import_no_other_group() -> None:
    """A client of Pods alone must not pay for every group: only metadata comes along."""
    code = "import sys, sampan.api.types.core_v1; print(*(m for m in sys.modules if m.startswith('sampan.api')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {
        "sampan.api",
        "sampan.api.types",
        "sampan.api.types._defaults",
        "sampan.api.types.core_v1",
        "sampan.api.types.meta_v1",
    }


def test_core_types_import_quickly() -> None:
    """About 15 ms on an idle machine; the bound leaves room for a busy one."""
    code = (
        "import msgspec, time; t = time.process_time(); import sampan.api.types.core_v1; print(time.process_time() - t)"
    )
    spent = min(
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        for _ in range(3)
    )
    assert spent < 0.15
