"""A write as expressions and webhooks see it."""

from __future__ import annotations

from typing import Any

import msgspec

from sampan.apiserver.contracts import AdmissionAttributes


def plain(obj: Any) -> Any:
    """An object as expressions and webhooks see it."""
    if obj is None:
        return None
    found: dict[str, Any] = msgspec.to_builtins(obj)
    content = found.pop("content", None) if hasattr(obj, "content") else None
    return {**found, **content} if content is not None else found


def request_of(attributes: AdmissionAttributes) -> dict[str, Any]:
    """The AdmissionRequest, without the objects."""
    info, user = attributes.info, attributes.user
    kind = {"group": info.group, "version": info.version, "kind": info.kind}
    resource = {"group": info.group, "version": info.version, "resource": info.resource}
    found: dict[str, Any] = {
        "kind": kind,
        "resource": resource,
        "requestKind": kind,
        "requestResource": resource,
        "name": attributes.name,
        "operation": attributes.operation,
        "userInfo": {
            "username": user.name,
            "uid": user.uid,
            "groups": list(user.groups),
            "extra": {k: list(v) for k, v in user.extra.items()},
        },
        "dryRun": attributes.dry_run,
    }
    if attributes.namespace:
        found["namespace"] = attributes.namespace
    if attributes.subresource:
        found["subResource"] = found["requestSubResource"] = attributes.subresource
    return found
