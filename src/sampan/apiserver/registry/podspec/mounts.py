"""Volume mounts and block devices of a container."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.podspec.paths import local_descending

if TYPE_CHECKING:
    from sampan.api.types.core_v1 import Container, EphemeralContainer, Volume, VolumeMount

_PROPAGATION = ("Bidirectional", "HostToContainer", "None")
_RECURSIVE = ("Disabled", "Enabled", "IfPossible")


def validate_mounts(
    container: Container | EphemeralContainer, volumes: dict[str, Volume], path: str, errors: Errors
) -> None:
    devices = {d.name: d.devicePath for d in container.volumeDevices} if container.volumeDevices else {}
    points: set[str] = set()
    for index, mount in enumerate(container.volumeMounts or ()):
        name, point = mount.name, mount.mountPath
        if not name:
            errors.required(f"{path}[{index}].name")
        if name not in volumes:
            errors.not_found(f"{path}[{index}].name", name)
        if not point:
            errors.required(f"{path}[{index}].mountPath")
        if point in points:
            errors.invalid(f"{path}[{index}].mountPath", point, "must be unique")
        points.add(point)
        if devices:
            if name in devices:
                errors.invalid(f"{path}[{index}].name", name, "must not already exist in volumeDevices")
            if point in devices.values():
                detail = "must not already exist as a path in volumeDevices"
                errors.invalid(f"{path}[{index}].mountPath", point, detail)
        if mount.subPath or mount.subPathExpr:
            _sub_path(mount, path, index, errors)
        if mount.mountPropagation is not None:
            _propagation(mount.mountPropagation, container, f"{path}.mountPropagation", errors)
        if mount.recursiveReadOnly is not None:
            _recursive(mount, f"{path}.recursiveReadOnly", errors)


def _sub_path(mount: VolumeMount, path: str, index: int, errors: Errors) -> None:
    if mount.subPath:
        local_descending(mount.subPath, f"{path}.subPath", errors)
    if mount.subPathExpr:
        if mount.subPath:
            detail = "subPathExpr and subPath are mutually exclusive"
            errors.invalid(f"{path}[{index}].subPathExpr", mount.subPathExpr, detail)
        local_descending(mount.subPathExpr, f"{path}.subPathExpr", errors)


def _propagation(mode: str, container: Container | EphemeralContainer, path: str, errors: Errors) -> None:
    if mode not in _PROPAGATION:
        errors.unsupported(path, mode, _PROPAGATION)
    context = container.securityContext
    if mode == "Bidirectional" and not (context is not None and context.privileged):
        errors.forbidden(path, "Bidirectional mount propagation is available only to privileged containers")


def _recursive(mount: VolumeMount, path: str, errors: Errors) -> None:
    if mount.recursiveReadOnly not in _RECURSIVE:
        errors.unsupported(path, mount.recursiveReadOnly, _RECURSIVE)
    elif mount.recursiveReadOnly != "Disabled":
        if not mount.readOnly:
            errors.forbidden(path, "may only be specified when readOnly is true")
        if mount.mountPropagation not in (None, "None"):
            errors.forbidden(path, "may only be specified when mountPropagation is None or not specified")


def validate_devices(
    container: Container | EphemeralContainer, volumes: dict[str, Volume], path: str, errors: Errors
) -> None:
    mounts = {m.name: m.mountPath for m in container.volumeMounts or ()}
    names: set[str] = set()
    paths: set[str] = set()
    for index, device in enumerate(container.volumeDevices or ()):
        here, name, at = f"{path}[{index}]", device.name, device.devicePath
        if not name:
            errors.required(f"{here}.name")
        if name in names:
            errors.invalid(f"{here}.name", name, "must be unique")
        volume = volumes.get(name)
        if volume is None:
            errors.not_found(f"{here}.name", name)
        elif volume.persistentVolumeClaim is None and volume.ephemeral is None:
            detail = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
            errors.invalid(f"{here}.name", name, detail)
        if not at:
            errors.required(f"{here}.devicePath")
        if at in paths:
            errors.invalid(f"{here}.devicePath", at, "must be unique")
        if ".." in at.split("/"):
            errors.invalid(f"{here}.devicePath", at, "can not contain backsteps ('..')")
        else:
            paths.add(at)
        if name in mounts:
            errors.invalid(f"{here}.name", name, "must not already exist in volumeMounts")
        if at in mounts.values():
            errors.invalid(f"{here}.devicePath", at, "must not already exist as a path in volumeMounts")
        if name:
            names.add(name)
