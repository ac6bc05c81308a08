"""What all events share: a name that is new, a reference to their object, a message of bounded length."""

from __future__ import annotations

from typing import Any

from sampan.api.scheme import BUILT_IN_SCHEME
from sampan.api.types import core_v1, meta_v1

MESSAGE_LIMIT = 1024


class Stamps:
    """Numbers for names: the time in nanoseconds, and always a new one."""

    def __init__(self) -> None:
        self._last = 0

    def name(self, obj: str | None, now: float) -> str:
        self._last = max(int(now * 1e9), self._last + 1)
        return f"{obj}.{self._last:x}"


def reference_to(obj: Any, *, field_path: str = "") -> core_v1.ObjectReference:
    if isinstance(obj, core_v1.ObjectReference):
        return obj
    if isinstance(obj, dict):
        kind, version, metadata = obj.get("kind"), obj.get("apiVersion"), obj.get("metadata") or {}
        name, namespace, uid = metadata.get("name"), metadata.get("namespace"), metadata.get("uid")
        revision = metadata.get("resourceVersion")
    else:
        meta: meta_v1.ObjectMeta = obj.metadata
        kind, version = obj.kind, obj.apiVersion
        name, namespace, uid, revision = meta.name, meta.namespace, meta.uid, meta.resourceVersion
        if kind is None:
            info = BUILT_IN_SCHEME.for_type(type(obj))
            kind, version = info.kind, info.api_version
    return core_v1.ObjectReference(
        kind=kind,
        apiVersion=version,
        name=name,
        namespace=namespace,
        uid=uid,
        resourceVersion=revision,
        fieldPath=field_path or None,
    )


def limited(message: str) -> str:
    """The API takes 1024 bytes of message."""
    data = message.encode()
    if len(data) <= MESSAGE_LIMIT:
        return message
    return data[: MESSAGE_LIMIT - 3].decode(errors="ignore") + "..."
