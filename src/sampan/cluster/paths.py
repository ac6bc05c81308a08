"""Where a cluster keeps its things: `$SAMPAN_HOME/NAME`."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

DEFAULT_NAME = "sampan"
NAME_VARIABLE = "SAMPAN_NAME"  # which cluster a command without --name is about
SERVERS = "servers"  # in a node's directory: the addresses of the servers that it has learned of
STATE = "state.db"  # in the server's directory: the embedded store
RECORD = "join.json"  # in a node's directory: the cluster elsewhere that it has joined
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?")


class BadName(ValueError):
    """A cluster's name becomes part of file, interface and host names."""


class BadConfig(ValueError):
    """What a cluster was made with cannot be read."""


def home() -> Path:
    """`$SAMPAN_HOME`; an ordinary user has a place of their own."""
    given = os.environ.get("SAMPAN_HOME")
    if given:
        return Path(given).absolute()
    if os.geteuid() == 0:
        return Path("/var/lib/sampan")
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local" / "share") / "sampan"


@dataclass(frozen=True)
class ClusterPaths:
    name: str
    root: Path

    @staticmethod
    def of(name: str) -> "ClusterPaths":
        if not _NAME.fullmatch(name):
            raise BadName(f"a cluster's name consists of lower case letters, digits and '-': {name!r}")
        return ClusterPaths(name, home() / name)

    @property
    def config(self) -> Path:
        return self.root / "cluster.json"

    @property
    def kubeconfig(self) -> Path:
        return self.root / "kubeconfig"

    @property
    def pki(self) -> Path:
        return self.root / "pki"

    @property
    def server(self) -> Path:
        return self.root / "server"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def run(self) -> Path:
        """Process ids; gone or stale after a reboot."""
        return self.root / "run"

    @property
    def context(self) -> str:
        """The name of its context in people's kubeconfig."""
        return "sampan" if self.name == DEFAULT_NAME else f"sampan-{self.name}"

    def agent(self, node: str) -> Path:
        """A node's own directory; the first node's has the plain name."""
        return self.root / "agent" if node == f"{self.name}-1" else self.root / "agents" / node


def all_clusters() -> list[ClusterPaths]:
    """Every cluster that has been made under this home."""
    top = home()
    if not top.is_dir():
        return []
    return [ClusterPaths(p.name, p) for p in sorted(top.iterdir()) if (p / "cluster.json").exists()]
