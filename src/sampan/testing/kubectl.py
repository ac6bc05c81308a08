"""Runs the package's own kubectl against a kubeconfig: nothing has to be installed besides."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


class KubectlError(AssertionError):
    """kubectl ended with something other than 0; `code`, `stdout` and `stderr` say how."""

    def __init__(self, args: tuple[str, ...], code: int, stdout: str, stderr: str) -> None:
        super().__init__(f"kubectl {' '.join(args)}: exit code {code}\n{stderr}")
        self.code, self.stdout, self.stderr = code, stdout, stderr


def kubectl(kubeconfig: Path, *args: str, stdin: str = "", timeout: float = 60.0) -> str:
    """Its standard output."""
    done = subprocess.run(
        [sys.executable, "-m", "sampan", *args],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env={**os.environ, "KUBECONFIG": str(kubeconfig)},
    )
    if done.returncode:
        raise KubectlError(args, done.returncode, done.stdout, done.stderr)
    return done.stdout
