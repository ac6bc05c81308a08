"""The files of configMap, secret, downwardAPI and projected volumes, from the objects that they name. Pure."""

import base64
from collections.abc import Callable

from msgspec import Struct

from sampan.api.types import core_v1
from sampan.kubelet.environment import object_field, resource_field

DEFAULT_MODE = 0o644
TOKEN_MODE = 0o600


class File(Struct, frozen=True):
    content: bytes
    mode: int
    owner: int | None = None


Files = dict[str, File]


class PayloadFault(Exception):
    """The volume names a key that is not there."""


def config_map_files(
    found: core_v1.ConfigMap | None, items: list[core_v1.KeyToPath] | None, mode: int | None, *, optional: bool
) -> Files:
    if found is None:
        return {}
    content = {k: v.encode() for k, v in (found.data or {}).items()}
    content |= {k: base64.b64decode(v) for k, v in (found.binaryData or {}).items()}
    missing = "configmap references non-existent config key: {}"
    return _select(content, items, mode, missing, optional=optional)


def secret_files(
    found: core_v1.Secret | None, items: list[core_v1.KeyToPath] | None, mode: int | None, *, optional: bool
) -> Files:
    if found is None:
        return {}
    content = {k: base64.b64decode(v) for k, v in (found.data or {}).items()}
    return _select(content, items, mode, "references non-existent secret key: {}", optional=optional)


def _select(
    content: dict[str, bytes], items: list[core_v1.KeyToPath] | None, mode: int | None, missing: str, *, optional: bool
) -> Files:
    default = DEFAULT_MODE if mode is None else mode
    if not items:
        return {key: File(value, default) for key, value in content.items()}
    result: Files = {}
    for item in items:
        if item.key not in content:
            if optional:
                continue
            raise PayloadFault(missing.format(item.key))
        result[item.path] = File(content[item.key], default if item.mode is None else item.mode)
    return result


def downward_files(
    pod: core_v1.Pod,
    items: list[core_v1.DownwardAPIVolumeFile] | None,
    mode: int | None,
    allocatable: dict[str, str],
    field: Callable[[core_v1.Pod, str], str] = object_field,
) -> Files:
    default = DEFAULT_MODE if mode is None else mode
    result: Files = {}
    for item in items or ():
        if item.fieldRef is not None:
            text = field(pod, item.fieldRef.fieldPath)
        elif item.resourceFieldRef is not None:
            selector = item.resourceFieldRef
            named = [c for c in _all_containers(pod) if c.name == selector.containerName]
            if not named:
                raise PayloadFault(f"container {selector.containerName} not found")
            text = resource_field(pod, named[0], selector, allocatable)
        else:
            text = ""
        result[item.path] = File(text.encode(), default if item.mode is None else item.mode)
    return result


def token_file(pod: core_v1.Pod, text: str, mode: int | None) -> File:
    """Nobody reads a token but those it is for: the one user that all containers run as, or the Pod's group."""
    owner, context = sole_user(pod), pod.spec.securityContext
    if owner is not None or (context is not None and context.fsGroup is not None):
        return File(text.encode(), TOKEN_MODE, owner)
    return File(text.encode(), DEFAULT_MODE if mode is None else mode)


def sole_user(pod: core_v1.Pod) -> int | None:
    """The user that all containers run as, when it is one and known."""
    shared = pod.spec.securityContext.runAsUser if pod.spec.securityContext is not None else None
    users = set()
    for container in _all_containers(pod):
        own = container.securityContext.runAsUser if container.securityContext is not None else None
        users.add(shared if own is None else own)
    return users.pop() if len(users) == 1 else None


def _all_containers(pod: core_v1.Pod) -> list[core_v1.Container]:
    return [*(pod.spec.initContainers or ()), *pod.spec.containers]
