"""What the expressions of policies and of webhooks' match conditions may speak of."""

from __future__ import annotations

from sampan.apiserver.cel import types
from sampan.apiserver.cel.types import Type

_USER = Type(
    name="kubernetes.UserInfo",
    fields={
        "username": types.STRING,
        "uid": types.STRING,
        "groups": types.list_of(types.STRING),
        "extra": types.map_of(types.STRING, types.list_of(types.STRING)),
    },
)
_KIND = Type(
    name="kubernetes.GroupVersionKind",
    fields={"group": types.STRING, "version": types.STRING, "kind": types.STRING},
)
_RESOURCE = Type(
    name="kubernetes.GroupVersionResource",
    fields={"group": types.STRING, "version": types.STRING, "resource": types.STRING},
)
_REQUEST = Type(
    name="kubernetes.AdmissionRequest",
    fields={
        "kind": _KIND,
        "resource": _RESOURCE,
        "subResource": types.STRING,
        "requestKind": _KIND,
        "requestResource": _RESOURCE,
        "requestSubResource": types.STRING,
        "name": types.STRING,
        "namespace": types.STRING,
        "operation": types.STRING,
        "userInfo": _USER,
        "dryRun": types.BOOL,
        "options": types.DYN,
    },
)


def names(*, params: bool, variables: dict[str, Type] | None = None) -> dict[str, Type]:
    """What an expression of a policy may speak of."""
    found: dict[str, Type] = {
        "object": types.DYN,
        "oldObject": types.DYN,
        "request": _REQUEST,
        "namespaceObject": types.DYN,
        "authorizer": types.AUTHORIZER,
        "authorizer.requestResource": types.RESOURCE_CHECK,
    }
    if params:
        found["params"] = types.DYN
    if variables is not None:
        found["variables"] = Type(name="kubernetes.variables", fields=variables or {"": types.DYN})
    return found


# What expressions of mutations may make: `Object{spec: Object.spec{…}}` and `JSONPatch{op: "add", …}`.
CONSTRUCTED = {"Object": types.TYPE, "JSONPatch": types.TYPE}
