"""The runtime of a node: its images and its containers, below the node's data directory."""

from pathlib import Path

from sampan.runtime.contract import Runtime
from sampan.runtime.images.store import LocalImageStore
from sampan.runtime.oci import OciRuntime


def make_runtime(data_dir: Path, cluster: str) -> Runtime:
    return OciRuntime(data_dir / "runtime", images=LocalImageStore(data_dir / "images"), name=cluster)
