"""How often a server with nothing to do wakes up: `python -m bench.wakeups`. One process (and its store's), all
components, no nodes. An idle machine that is woken often does not save power, whatever else is cheap.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.processes import cpu_seconds, family, wake_ups
from sampan.cluster import config as configs
from sampan.cluster.config import ClusterConfig
from sampan.cluster.paths import ClusterPaths
from sampan.cluster.pki import Pki
from sampan.cluster.up import ask

SETTLE_SECONDS = 4.0


@contextmanager
def idle_server() -> Iterator[int]:
    """Its pid, once it is ready."""
    with tempfile.TemporaryDirectory(prefix="sampan-bench-") as home:
        paths = ClusterPaths("idle", Path(home) / "idle")
        config = ClusterConfig(
            name="idle", port=configs.free_port(28443, set()), kubelet_port=configs.free_port(29550, set())
        )
        configs.save(paths, config)
        pki = Pki(paths.pki)
        pki.ensure(config, {})
        env = {**os.environ, "SAMPAN_HOME": home}
        with (Path(home) / "log").open("wb") as log:
            server = subprocess.Popen(
                [sys.executable, "-m", "sampan", "server", "--name", "idle"], env=env, stdout=log, stderr=log
            )
        try:
            end = time.monotonic() + 30
            while ask(config, pki, "/readyz")[0] != 200:
                if server.poll() is not None or time.monotonic() > end:
                    raise RuntimeError((Path(home) / "log").read_text()[-2000:])
                time.sleep(0.1)
            yield server.pid
        finally:
            server.terminate()
            server.wait()


def run(seconds: float = 30.0) -> dict[str, float]:
    with idle_server() as pid:
        time.sleep(SETTLE_SECONDS)
        pids = family([pid])
        woken, used = wake_ups(pids), cpu_seconds(pids)
        time.sleep(seconds)
        woken, used = wake_ups(pids) - woken, cpu_seconds(pids) - used
    return {
        "wake-ups of an idle server, /min": woken * 60 / seconds,
        "CPU of an idle server, % of a core": used / seconds * 100,
    }


if __name__ == "__main__":
    for name, figure in run().items():
        print(f"{name:48}{figure:10,.2f}")
