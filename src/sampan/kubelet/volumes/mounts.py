"""How a container sees its volumes: volumeMounts turned into the runtime's mounts. Pure, but for made sub-paths."""

from pathlib import Path

from sampan.api.types import core_v1
from sampan.kubelet.container_config import expand
from sampan.kubelet.errors import ConfigFault
from sampan.runtime.contract import Mount, Propagation

PROPAGATION = {
    "None": Propagation.PRIVATE,
    "HostToContainer": Propagation.HOST_TO_CONTAINER,
    "Bidirectional": Propagation.BIDIRECTIONAL,
}


class Source:
    """A volume that is ready: where it is on the host, and whether it may be written."""

    __slots__ = ("path", "readonly")

    def __init__(self, path: Path, *, readonly: bool = False) -> None:
        self.path = path
        self.readonly = readonly


def container_mounts(container: core_v1.Container, sources: dict[str, Source], env: dict[str, str]) -> list[Mount]:
    mounts = []
    for wanted in container.volumeMounts or ():
        source = sources.get(wanted.name)
        if source is None:
            raise ConfigFault(f'cannot find volume "{wanted.name}" to mount into container "{container.name}"')
        sub_path = wanted.subPath or (expand(wanted.subPathExpr, env) if wanted.subPathExpr else "")
        if sub_path.startswith("/") or ".." in sub_path.split("/"):
            raise ConfigFault(f"subPath {sub_path!r} must not be absolute or contain '..'")
        if "$(" in sub_path and wanted.subPathExpr:
            raise ConfigFault(f"subPathExpr {wanted.subPathExpr!r} names a variable that is not set")
        readonly = bool(wanted.readOnly) or source.readonly
        mounts.append(
            Mount(
                container_path=wanted.mountPath if wanted.mountPath.startswith("/") else f"/{wanted.mountPath}",
                host_path=str(source.path),
                sub_path=sub_path,
                readonly=readonly,
                recursive_readonly=readonly and wanted.recursiveReadOnly in ("Enabled", "IfPossible"),
                propagation=PROPAGATION.get(wanted.mountPropagation or "None", Propagation.PRIVATE),
            )
        )
    return mounts
