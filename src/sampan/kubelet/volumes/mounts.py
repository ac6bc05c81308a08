"""How a container sees its volumes: volumeMounts and volumeDevices turned into the runtime's records. Pure."""

from collections.abc import Mapping

from sampan.api.types import core_v1
from sampan.kubelet.container_config import expand
from sampan.kubelet.errors import ConfigFault
from sampan.kubelet.volumes.source import Source
from sampan.runtime.contract import Device, Mount, Propagation

PROPAGATION = {
    "None": Propagation.PRIVATE,
    "HostToContainer": Propagation.HOST_TO_CONTAINER,
    "Bidirectional": Propagation.BIDIRECTIONAL,
}


def container_mounts(container: core_v1.Container, sources: Mapping[str, Source], env: dict[str, str]) -> list[Mount]:
    mounts = []
    for wanted in container.volumeMounts or ():
        source = sources.get(wanted.name)
        if source is None:
            raise ConfigFault(f'cannot find volume "{wanted.name}" to mount into container "{container.name}"')
        readonly = bool(wanted.readOnly) or source.readonly
        mounts.append(
            Mount(
                container_path=wanted.mountPath if wanted.mountPath.startswith("/") else f"/{wanted.mountPath}",
                host_path="" if source.image else str(source.path),
                image=source.image,
                sub_path=_sub_path(wanted, env),
                readonly=readonly,
                recursive_readonly=readonly and wanted.recursiveReadOnly in ("Enabled", "IfPossible"),
                propagation=PROPAGATION.get(wanted.mountPropagation or "None", Propagation.PRIVATE),
            )
        )
    return mounts


def container_devices(container: core_v1.Container, sources: Mapping[str, Source]) -> list[Device]:
    devices = []
    for wanted in container.volumeDevices or ():
        source = sources.get(wanted.name)
        if source is None or not source.device:
            raise ConfigFault(f'cannot find block volume "{wanted.name}" for container "{container.name}"')
        access = "r" if source.readonly else "mrw"
        devices.append(Device(host_path=str(source.path), container_path=wanted.devicePath, permissions=access))
    return devices


def _sub_path(wanted: core_v1.VolumeMount, env: dict[str, str]) -> str:
    path = wanted.subPath or (expand(wanted.subPathExpr, env) if wanted.subPathExpr else "")
    if path.startswith("/") or ".." in path.split("/"):
        raise ConfigFault(f"subPath {path!r} must not be absolute or contain '..'")
    if "$(" in path and wanted.subPathExpr:
        raise ConfigFault(f"subPathExpr {wanted.subPathExpr!r} names a variable that is not set")
    return path
