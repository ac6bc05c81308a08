"""What a verb is on the wire: method, path, query, headers and body. Pure, shared by the async and the sync client.

Nothing here sends anything, and nothing knows a server's address.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec

from sampan.api.scheme import ResourceInfo

JSON = "application/json"
METADATA_ONLY = f"{JSON};as=PartialObjectMetadata;g=meta.k8s.io;v=v1,{JSON}"
METADATA_LIST = f"{JSON};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,{JSON}"

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


class Call(NamedTuple):
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes | None = None


class WriteOptions(NamedTuple):
    """What every write takes. `field_validation`: Strict, Warn or Ignore."""

    dry_run: bool = False
    field_manager: str = ""
    field_validation: str = ""

    def query(self) -> dict[str, str]:
        query = {}
        if self.dry_run:
            query["dryRun"] = "All"
        if self.field_manager:
            query["fieldManager"] = self.field_manager
        if self.field_validation:
            query["fieldValidation"] = self.field_validation
        return query


class ListOptions(NamedTuple):
    label_selector: str = ""
    field_selector: str = ""
    resource_version: str = ""
    resource_version_match: str = ""
    limit: int = 0
    continue_: str = ""

    def query(self) -> dict[str, str]:
        query = {}
        if self.label_selector:
            query["labelSelector"] = self.label_selector
        if self.field_selector:
            query["fieldSelector"] = self.field_selector
        if self.resource_version:
            query["resourceVersion"] = self.resource_version
        if self.resource_version_match:
            query["resourceVersionMatch"] = self.resource_version_match
        if self.limit:
            query["limit"] = str(self.limit)
        if self.continue_:
            query["continue"] = self.continue_
        return query


def get(info: ResourceInfo, namespace: str, name: str, *, subresource: str = "", resource_version: str = "") -> Call:
    query = {"resourceVersion": resource_version} if resource_version else {}
    return Call("GET", item_path(info, namespace, name, subresource), query, {"accept": JSON})


def list_(info: ResourceInfo, namespace: str, options: ListOptions) -> Call:
    return Call("GET", collection_path(info, namespace), options.query(), {"accept": JSON})


def watch(
    info: ResourceInfo,
    namespace: str,
    options: ListOptions,
    *,
    bookmarks: bool = True,
    timeout_seconds: int = 0,
    send_initial_events: bool = False,
) -> Call:
    query = options.query()
    query["watch"] = "true"
    if bookmarks:
        query["allowWatchBookmarks"] = "true"
    if timeout_seconds:
        query["timeoutSeconds"] = str(timeout_seconds)
    if send_initial_events:
        query["sendInitialEvents"] = "true"
        query["resourceVersionMatch"] = "NotOlderThan"
    return Call("GET", collection_path(info, namespace), query, {"accept": JSON})


def create(info: ResourceInfo, namespace: str, obj: object, options: WriteOptions) -> Call:
    return _write("POST", collection_path(info, namespace), obj, options)


def create_subresource(
    info: ResourceInfo, namespace: str, name: str, subresource: str, obj: object, options: WriteOptions
) -> Call:
    return _write("POST", item_path(info, namespace, name, subresource), obj, options)


def update(
    info: ResourceInfo, namespace: str, name: str, obj: object, options: WriteOptions, *, subresource: str = ""
) -> Call:
    return _write("PUT", item_path(info, namespace, name, subresource), obj, options)


def patch(
    info: ResourceInfo,
    namespace: str,
    name: str,
    body: object,
    patch_type: str,
    options: WriteOptions,
    *,
    subresource: str = "",
    force: bool = False,
) -> Call:
    call = _write("PATCH", item_path(info, namespace, name, subresource), body, options, content_type=patch_type)
    if force:
        call.query["force"] = "true"
    return call


def delete(info: ResourceInfo, namespace: str, name: str, options: Mapping[str, Any]) -> Call:
    return _write("DELETE", item_path(info, namespace, name), options or None, WriteOptions())


def delete_collection(info: ResourceInfo, namespace: str, which: ListOptions, options: Mapping[str, Any]) -> Call:
    call = _write("DELETE", collection_path(info, namespace), options or None, WriteOptions())
    call.query.update(which.query())
    return call


def delete_options(
    *,
    grace_period_seconds: int | None = None,
    propagation_policy: str = "",
    uid: str = "",
    resource_version: str = "",
    dry_run: bool = False,
) -> dict[str, Any]:
    """The body of a delete; empty when nothing is asked for."""
    options: dict[str, Any] = {}
    if grace_period_seconds is not None:
        options["gracePeriodSeconds"] = grace_period_seconds
    if propagation_policy:
        options["propagationPolicy"] = propagation_policy
    preconditions = {k: v for k, v in (("uid", uid), ("resourceVersion", resource_version)) if v}
    if preconditions:
        options["preconditions"] = preconditions
    if dry_run:
        options["dryRun"] = ["All"]
    return {"kind": "DeleteOptions", "apiVersion": "v1"} | options if options else {}


def collection_path(info: ResourceInfo, namespace: str) -> str:
    return info.path(namespace=quote(namespace, safe=""))


class NoName(ValueError):
    """One object is addressed, and nobody said which."""


def item_path(info: ResourceInfo, namespace: str, name: str, subresource: str = "") -> str:
    if info.namespaced and not namespace:
        raise ValueError(f'a namespace is needed to name {info.qualified} "{name}"')
    if not name:
        raise NoName("resource name may not be empty")
    return info.path(namespace=quote(namespace, safe=""), name=quote(name, safe=":@"), subresource=subresource)


def _write(method: str, path: str, body: object, options: WriteOptions, *, content_type: str = JSON) -> Call:
    headers = {"accept": JSON}
    data: bytes | None = None
    if isinstance(body, bytes):
        data = body
    elif body is not None:
        data = msgspec.json.encode(body)
    if data is not None:
        headers["content-type"] = content_type
    return Call(method, path, options.query(), headers, data)
