"""A port of this machine that leads into a Pod for as long as a `with` lasts."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from types import TracebackType


class PortForward:
    def __init__(self, kubeconfig: Path, target: str, port: int, namespace: str) -> None:
        self._command = ["port-forward", "-n", namespace, target if "/" in target else f"pod/{target}", f":{port}"]
        self._kubeconfig = kubeconfig
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> int:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sampan", *self._command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "KUBECONFIG": str(self._kubeconfig)},
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        found = re.search(r"127\.0\.0\.1:(\d+)", line)
        if found is None:
            self.__exit__(None, None, None)
            raise RuntimeError(f"{' '.join(self._command)}: {line.strip()}")
        return int(found[1])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.communicate()
            self._process = None
