"""Load from `wrk`, which costs the machine far less than a Python client would: requests a second, and what they cost
the server in CPU time, which says more on a machine that others use as well.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from typing import NamedTuple

from bench.processes import cpu_seconds, family

_CREATE = """
local count = 0
request = function()
  count = count + 1
  return wrk.format("POST", nil, nil, '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"%s-' .. count ..
    '","labels":{"app":"bench"}},"spec":{%s"containers":[{"name":"main","image":"busybox:1.36",' ..
    '"command":["sleep","1000"],"resources":{"requests":{"cpu":"10m","memory":"16Mi"}}}]}}')
end
"""


class Found(NamedTuple):
    rate: float  # requests a second
    cpu_ms: float  # of all the server's processes, per request


class Load:
    """`pids`: the server's own processes, without what they started."""

    def __init__(self, port: int, token: str, pids: Callable[[], Iterable[int]]) -> None:
        self._port = port
        self._token = token
        self._pids = pids

    def run(self, path: str, *, clients: int, seconds: float, script: str = "") -> Found:
        """Raises `RuntimeError` when a request was refused."""
        command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds:.0f}s", "-H", f"Authorization: Bearer {self._token}"]
        command += ["-H", "Content-Type: application/json"]
        pids = family(self._pids())
        with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
            if script:
                file.write(script)
                file.flush()
                command += ["-s", file.name]
            before = cpu_seconds(pids)
            url = f"https://127.0.0.1:{self._port}{path}"
            out = subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout
            used = cpu_seconds(pids) - before
        if "Non-2xx" in out:
            raise RuntimeError(out)
        rate, count = re.search(r"Requests/sec:\s+([\d.]+)", out), re.search(r"(\d+) requests in", out)
        assert rate is not None, out
        assert count is not None, out
        return Found(float(rate[1]), used / max(int(count[1]), 1) * 1000)

    def create_pods(self, path: str, *, prefix: str, clients: int, seconds: float, spec: str = "") -> Found:
        """Pods PREFIX-1, PREFIX-2, …; `spec` is JSON at the beginning of their spec."""
        return self.run(path, clients=clients, seconds=seconds, script=_CREATE % (prefix, spec))
