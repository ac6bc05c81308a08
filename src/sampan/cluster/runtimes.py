"""The runtime of a node: its images and its containers, below the node's data directory."""

from pathlib import Path

from sampan.runtime.config import RuntimeConfig
from sampan.runtime.contract import Runtime
from sampan.runtime.images.store import LocalImageStore
from sampan.runtime.oci import HostRuntime


def make_runtime(data_dir: Path, node: str) -> Runtime:
    """`node` names what of it is not below `data_dir` (sockets, cgroups)."""
    images = LocalImageStore(images_root(data_dir), owner=node, collect_every=300)
    return HostRuntime(runtime_config(data_dir, node), images)


def images_root(data_dir: Path) -> Path:
    """Nodes of one cluster on one machine share their images: those of the first node's directory, where the commands
    look as well. A node that joined from elsewhere has its own."""
    home = data_dir.parent.parent
    beside_others = data_dir.parent.name == "agents" and (home / "cluster.json").exists()
    return (home / "agent" if beside_others else data_dir) / "images"


def runtime_config(data_dir: Path, node: str) -> RuntimeConfig:
    return RuntimeConfig(
        state_dir=str(data_dir / "runtime"),
        run_dir=f"/run/sampan/{node}/runtime",
        cgroup_root=f"sampan-{node}",
    )
