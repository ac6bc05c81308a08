"""Every kubectl on this machine: the one on PATH, its siblings (`kubectl.1.29`), and those named in SAMPAN_KUBECTLS."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path


@cache
def kubectls() -> dict[str, str]:
    """By version (`v1.29`), each once."""
    folders = {Path("/usr/lib/google-cloud-sdk/bin"), Path("/usr/local/bin")}
    candidates = [p for p in (shutil.which("kubectl"),) if p]
    folders |= {Path(p).resolve().parent for p in candidates}
    for folder in sorted(folders):
        candidates += sorted(str(p) for p in folder.glob("kubectl.1.*"))
    candidates += os.environ.get("SAMPAN_KUBECTLS", "").split()
    found: dict[str, str] = {}
    for path in candidates:
        version = _version(path)
        if version:
            found.setdefault(version, path)
    return dict(sorted(found.items()))


def _version(path: str) -> str:
    try:
        done = subprocess.run([path, "version", "--client", "-o", "json"], capture_output=True, timeout=20, check=False)
        text = str(json.loads(done.stdout)["clientVersion"]["gitVersion"])
    except (OSError, ValueError, KeyError, subprocess.TimeoutExpired):
        return ""
    return ".".join(text.partition("-")[0].split(".")[:2])
