"""Device nodes of the host, as the OCI specification lists them."""

from __future__ import annotations

import os
import stat
from typing import Any

from sampan.runtime.errors import CreateError
from sampan.runtime.records import Device

_NOT_DEVICES = {"pts", "shm", "mqueue", "fd", "console", ".lxc", ".lxd-mounts", ".udev"}


def every_device() -> list[dict[str, Any]]:
    """What a privileged container gets: all of /dev."""
    return [entry for entry, _ in _below("/dev", "/dev", "rwm")]


def asked_for(devices: list[Device]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The nodes, and the cgroup rules that let them be used."""
    found: list[tuple[dict[str, Any], dict[str, Any]]] = []
    for device in devices:
        if os.path.isdir(device.host_path):
            found += _below(device.host_path, device.container_path, device.permissions)
            continue
        pair = _node(device.host_path, device.container_path, device.permissions)
        if pair is None:
            raise CreateError(f"{device.host_path} is not a device node")
        found.append(pair)
    return [node for node, _ in found], [rule for _, rule in found]


def _below(host: str, container: str, permissions: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    found = []
    for where, folders, files in os.walk(host):
        folders[:] = [name for name in folders if name not in _NOT_DEVICES]
        for name in files:
            if name in _NOT_DEVICES:
                continue
            path = os.path.join(where, name)
            pair = _node(path, container + path[len(host) :], permissions, follow=False)
            if pair is not None:
                found.append(pair)
    return found


def _node(
    host: str, container: str, permissions: str, *, follow: bool = True
) -> tuple[dict[str, Any], dict[str, Any]] | None:
    try:
        info = os.stat(host, follow_symlinks=follow)
    except OSError as error:
        if not follow:
            return None
        raise CreateError(f"device {host}: {error.strerror}") from error
    if not (stat.S_ISCHR(info.st_mode) or stat.S_ISBLK(info.st_mode)):
        return None
    kind, major, minor = "c" if stat.S_ISCHR(info.st_mode) else "b", os.major(info.st_rdev), os.minor(info.st_rdev)
    node = {
        "path": container, "type": kind, "major": major, "minor": minor, "fileMode": stat.S_IMODE(info.st_mode),
        "uid": info.st_uid, "gid": info.st_gid,
    }  # fmt: skip
    return node, {"allow": True, "type": kind, "major": major, "minor": minor, "access": permissions}
