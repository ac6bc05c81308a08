"""Paths and operations of resources: what kubectl looks up is which parameters a PATCH of a kind takes."""

from __future__ import annotations

from typing import Any

from sampan.api.scheme import ResourceInfo, Subresource
from sampan.apiserver.openapi.definitions import META, name_of

Operation = dict[str, Any]

_PARAMETERS = {
    "dryRun": ("string", "All: nothing is stored."),
    "fieldManager": ("string", "Who makes this change, for managedFields."),
    "fieldValidation": ("string", "Unknown and repeated fields: Ignore, Warn or Strict."),
    "force": ("boolean", "Apply takes over fields of other managers."),
    "gracePeriodSeconds": ("integer", "Seconds until the object goes."),
    "orphanDependents": ("boolean", "Deprecated: use propagationPolicy."),
    "propagationPolicy": ("string", "What becomes of dependents: Orphan, Background, Foreground."),
    "ignoreStoreReadErrorWithClusterBreakingPotential": ("boolean", "Not served."),
    "allowWatchBookmarks": ("boolean", "Send bookmarks."),
    "continue": ("string", "Where the last page ended."),
    "fieldSelector": ("string", "Select by fields."),
    "labelSelector": ("string", "Select by labels."),
    "limit": ("integer", "Objects of a page."),
    "resourceVersion": ("string", "The revision that is asked for."),
    "resourceVersionMatch": ("string", "How resourceVersion is meant."),
    "sendInitialEvents": ("boolean", "A watch begins with the present state."),
    "timeoutSeconds": ("integer", "The longest that the answer may take."),
    "watch": ("boolean", "Send changes as they come."),
    "pretty": ("string", "Ignored."),
}
_WRITE = ("dryRun", "fieldManager", "fieldValidation")
_LIST = (
    "allowWatchBookmarks", "continue", "fieldSelector", "labelSelector", "limit", "resourceVersion",
    "resourceVersionMatch", "sendInitialEvents", "timeoutSeconds", "watch",
)  # fmt: skip
_DELETE = (
    "dryRun", "gracePeriodSeconds", "ignoreStoreReadErrorWithClusterBreakingPotential", "orphanDependents",
    "propagationPolicy",
)  # fmt: skip
_METHODS = {
    "create": ("post", "create", _WRITE),
    "get": ("get", "read", ()),
    "list": ("get", "list", _LIST),
    "update": ("put", "replace", _WRITE),
    "patch": ("patch", "patch", (*_WRITE, "force")),
    "delete": ("delete", "delete", _DELETE),
    "deletecollection": ("delete", "deletecollection", (*_DELETE, *_LIST)),
}
_ACTIONS = {"create": "post", "get": "get", "list": "list", "update": "put", "patch": "patch", "delete": "delete"}
_MEDIA = ("application/json", "application/yaml")
_PATCHES = (
    "application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)  # fmt: skip


def paths_of(info: ResourceInfo, *, v3: bool) -> dict[str, Any]:
    """Every path of one resource."""
    collection = info.path(namespace="{namespace}")
    item = info.path(namespace="{namespace}", name="{name}")
    paths: dict[str, Any] = {}
    for path, verbs in (
        (collection, ("list", "create", "deletecollection")),
        (item, ("get", "update", "patch", "delete")),
    ):
        operations = {_METHODS[v][0]: _operation(info, v, None, v3=v3) for v in verbs if v in info.verbs}
        if operations:
            paths[path] = _with_place(operations, path, v3=v3)
    if info.namespaced and "list" in info.verbs:
        everywhere = info.path()
        paths[everywhere] = _with_place(
            {"get": _operation(info, "list", None, v3=v3, suffix="ForAllNamespaces")}, everywhere, v3=v3
        )
    for part in info.subresources:
        operations = {_METHODS[v][0]: _operation(info, v, part, v3=v3) for v in part.verbs if v in _METHODS}
        paths[f"{item}/{part.name}"] = _with_place(operations, item, v3=v3)
    return paths


def _operation(info: ResourceInfo, verb: str, part: Subresource | None, *, v3: bool, suffix: str = "") -> Operation:
    _, word, parameters = _METHODS[verb]
    group, version, kind = info.group, info.version, info.kind
    if part is not None and part.kind != info.kind:
        group, version, kind = (part.group or group if part.version else group), part.version or version, part.kind
    schema = _schema_of(info, part, "List" if verb == "list" else "")
    scope = "Namespaced" if info.namespaced and not suffix else ""
    title = "".join(p.title() for p in (info.group.split(".", 1)[0] or "core", info.version))
    operation: Operation = {
        "tags": [f"{info.group.split('.', 1)[0] or 'core'}_{info.version}"],
        "operationId": f"{word}{title}{scope}{kind}{suffix}" + (part.name.title() if part else ""),
        "x-kubernetes-action": "connect" if part and part.kind.endswith("Options") else _ACTIONS.get(verb, verb),
        "x-kubernetes-group-version-kind": {"group": group, "version": version, "kind": kind},
    }
    operation["parameters"] = [_parameter(name, "query", v3=v3) for name in parameters]
    if verb == "deletecollection" or verb == "delete":
        schema = META + "Status"
    body = schema if verb in ("create", "update") else META + ("Patch" if verb == "patch" else "DeleteOptions")
    if v3:
        if verb not in ("get", "list"):
            media = _PATCHES if verb == "patch" else ("*/*",)
            operation["requestBody"] = {"content": {m: {"schema": _reference(body, v3=True)} for m in media}}
        content = {m: {"schema": _reference(schema, v3=True)} for m in _MEDIA}
        operation["responses"] = {"200": {"description": "OK", "content": content}}
    else:
        operation |= {
            "consumes": list(_PATCHES if verb == "patch" else ("*/*",)),
            "produces": list(_MEDIA),
            "schemes": ["https"],
        }
        if verb not in ("get", "list"):
            operation["parameters"].append({"name": "body", "in": "body", "schema": _reference(body, v3=False)})
        operation["responses"] = {"200": {"description": "OK", "schema": _reference(schema, v3=False)}}
    return operation


def _schema_of(info: ResourceInfo, part: Subresource | None, suffix: str) -> str:
    if part is None or part.kind == info.kind:
        return name_of(info, info.kind + suffix)
    if part.group:
        return f"io.k8s.api.{part.group.split('.', 1)[0]}.{part.version}.{part.kind}"
    return name_of(info, part.kind) if not part.kind.endswith("Options") else META + "Status"


def _with_place(operations: Operation, path: str, *, v3: bool) -> Operation:
    """What stands in the path itself."""
    names = [n for n in ("name", "namespace") if f"{{{n}}}" in path]
    place = [{**_parameter(n, "path", v3=v3), "required": True} for n in names]
    return {**operations, "parameters": [*place, _parameter("pretty", "query", v3=v3)]}


def _parameter(name: str, where: str, *, v3: bool) -> Operation:
    kind, description = _PARAMETERS.get(name, ("string", f"The {name} of the object."))
    typed = {"schema": {"type": kind, "uniqueItems": True}} if v3 else {"type": kind, "uniqueItems": True}
    return {"name": name, "in": where, "description": description, **typed}


def _reference(name: str, *, v3: bool) -> Operation:
    return {"$ref": f"#/components/schemas/{name}" if v3 else f"#/definitions/{name}"}
