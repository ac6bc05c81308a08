"""What clusters of one host keep from each other: one comes up at a time, and a name belongs to one of them.

A cluster's name is in the names of interfaces, tables and control groups, and its ports are found by looking which are
free. Clusters below the same `$SAMPAN_HOME` know each other; those of another home are known by this.
"""

import fcntl
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sampan.cluster.paths import ClusterPaths
from sampan.cluster.process import Daemon

CLAIMS = Path("/run/sampan/clusters")  # goes with a reboot, as what it claims does


@contextmanager
def one_at_a_time(*, told: bool = True, folder: Path | None = None) -> Iterator[None]:
    """Between looking for a free port and taking it, no other `sampan up` of this user looks."""
    path = (folder or Path(tempfile.gettempdir())) / f"sampan-{os.geteuid()}.lock"
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if told:
                sys.stderr.write(" - waiting for another `sampan up`\n")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def other_of_that_name(paths: ClusterPaths, claims: Path = CLAIMS) -> Path | None:
    """Where the cluster lives that has the name already and runs."""
    try:
        root = Path((claims / paths.name).read_text(encoding="utf-8").strip())
    except OSError:
        return None
    if root == paths.root:
        return None
    return root if any(d.pid for d in daemons_below(root)) else None


def claim(paths: ClusterPaths, claims: Path = CLAIMS) -> None:
    claims.mkdir(parents=True, exist_ok=True)
    (claims / paths.name).write_text(f"{paths.root}\n", encoding="utf-8")


def release(paths: ClusterPaths, claims: Path = CLAIMS) -> None:
    """A claim of another cluster is left alone."""
    file = claims / paths.name
    try:
        if file.read_text(encoding="utf-8").strip() == str(paths.root):
            file.unlink()
        claims.rmdir()
    except OSError:
        pass  # none, or others' claims are there


def daemons_below(root: Path) -> list[Daemon]:
    run = root / "run"
    return [Daemon(file.stem, run, root / "logs") for file in run.glob("*.pid")]
