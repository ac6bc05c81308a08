"""PATCH: json, merge and strategic merge change the object that is there; apply may also make it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from sampan.api.errors import (
    BadRequest,
    FieldError,
    Invalid,
    UnsupportedMediaType,
    invalid,
)
from sampan.api.patch import json as json_patch
from sampan.api.patch import merge as merge_patch
from sampan.api.patch import strategic
from sampan.api.patch.apply.apply import Request as ApplyRequest
from sampan.api.patch.apply.apply import apply as apply_patch
from sampan.apiserver import leaves, managed, wording
from sampan.apiserver.bare import without_details
from sampan.apiserver.bodies import without_nulls
from sampan.apiserver.codec import decode_any, encode
from sampan.apiserver.endpoint import Endpoint, Kind
from sampan.apiserver.handlers.context import Context
from sampan.apiserver.handlers.create import create_object
from sampan.apiserver.handlers.rewrite import rewrite
from sampan.apiserver.objects import CachedObject
from sampan.apiserver.options import WriteOptions, write_options
from sampan.apiserver.request import Answer
from sampan.apiserver.sound import is_sound
from sampan.apiserver.strict import problems_of

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = ("application/apply-patch+yaml", "application/apply-patch+json", "application/apply-patch+cbor")

Patcher = Callable[[dict[str, Any]], dict[str, Any]]


async def patch(context: Context) -> Answer:
    media = context.request.header("content-type").partition(";")[0].strip().lower()
    options = write_options(context.request, "PatchOptions")
    if media in APPLY[:2]:
        return await apply(context, options)
    if options.force is not None:
        error = FieldError("FieldValueForbidden", "force", "Forbidden: may not be specified for non-apply patch")
        raise invalid("PatchOptions", "", [error], group="meta.k8s.io")
    patcher = patcher_for(context, media)

    def change(current: CachedObject) -> Any:
        before: dict[str, Any] = decode_any(context.endpoint.view.whole(current))
        after = patcher(before)
        return decoded(context, after, options)

    return await rewrite(context, change, options)


def patcher_for(context: Context, media: str, *, kind: Kind | None = None) -> Patcher:
    """The patch of the request, read once. `kind` is what is patched, where it is not the resource itself."""
    endpoint = kind or context.endpoint
    if media not in (JSON_PATCH, MERGE_PATCH, STRATEGIC) or (media == STRATEGIC and endpoint.info.type is None):
        raise without_details(UnsupportedMediaType("415: Unsupported Media Type"))
    try:
        body = decode_any(context.request.body)
    except msgspec.DecodeError:
        raise BadRequest(f"error decoding patch: {wording.json_error(context.request.body)}") from None
    if media == JSON_PATCH:
        return lambda before: _checked(json_patch.apply(before, body))
    if media == MERGE_PATCH:
        return lambda before: merge_patch.apply_to_object(before, body)
    shape = managed.shape_of(endpoint)
    if not isinstance(body, dict) and body is not None:
        raise BadRequest(
            f"json: cannot unmarshal {wording.json_kind(body)} into Go value of type map[string]interface {{}}"
        )
    return lambda before: strategic.apply(before, body, shape)


def _checked(after: Any) -> dict[str, Any]:
    if not isinstance(after, dict):
        raise BadRequest(
            f"json: cannot unmarshal {wording.json_kind(after)} into Go value of type map[string]interface {{}}"
        )
    return after


def decoded(context: Context, after: dict[str, Any], options: WriteOptions) -> Any:
    """The patched object; what it should not hold is said of the patch."""
    obj = _sound(context.endpoint, after) or _looked_through(context, after, options)
    context.check_namespace(obj)
    context.check_name(obj)
    return obj


def _sound(endpoint: Endpoint, after: dict[str, Any]) -> Any:
    """The object, where there is nothing to say about it; else None. Most of it is as it was."""
    data = encode(after)
    if not is_sound(endpoint, data):
        return None
    try:
        obj = endpoint.codec.decode(data)
    except msgspec.ValidationError:
        return None
    return obj if obj.kind == endpoint.info.kind and obj.apiVersion == endpoint.info.api_version else None


def _looked_through(context: Context, after: dict[str, Any], options: WriteOptions) -> Any:
    endpoint = context.endpoint
    if options.field_validation != "Ignore" and (problems := problems_of(endpoint, after)):
        if options.field_validation == "Strict":
            raise _bad_patch(after, f"strict decoding error: {', '.join(problems)}")
        context.request.warnings += problems
    try:
        if endpoint.info.schema_ref:
            leaves.check(endpoint.info.schema_ref, after)
    except leaves.BadLeaf as error:
        raise _bad_patch(after, str(error)) from None
    try:
        obj = endpoint.codec.from_dict(after if endpoint.info.type is None else without_nulls(after))
    except msgspec.ValidationError as error:
        raise _bad_patch(after, wording.unmarshal_error(after, endpoint.info.schema_ref, str(error))) from None
    if obj.kind != endpoint.info.kind or obj.apiVersion != endpoint.info.api_version:
        raise wording.wrong_kind(endpoint, obj.apiVersion or "", obj.kind or "")
    return obj


def _bad_patch(after: dict[str, Any], why: str) -> Invalid:
    shown = encode(encode(after).decode()).decode()
    return invalid("", "", [FieldError("FieldValueInvalid", "patch", f"Invalid value: {shown}: {why}")])


async def apply(context: Context, options: WriteOptions) -> Answer:
    """Server-side apply."""
    endpoint = context.endpoint
    if not options.field_manager:
        error = FieldError("FieldValueRequired", "fieldManager", "Required value: is required for apply patch")
        raise invalid("PatchOptions", "", [error], group="meta.k8s.io")
    config = _config(context)
    request = ApplyRequest(
        shape=managed.shape_of(endpoint),
        api_version=endpoint.info.api_version,
        manager=options.field_manager,
        now=context.core.timestamp(),
        subresource=context.info.subresource,
        reset=managed.reset_fields(context),
        force=bool(options.force),
    )

    def change(current: CachedObject) -> Any:
        live: dict[str, Any] = decode_any(endpoint.view.whole(current))
        return _applied(context, live, config, request, options)

    if endpoint.cache.get(context.namespace, context.name) is None:
        if context.info.subresource:
            raise endpoint.not_found(context.name)
        await context.check_may_create()
        obj = _applied(context, None, config, request, options)
        obj.metadata.resourceVersion = None
        return await create_object(context, obj, options, owned=True)
    return await rewrite(context, change, options, owned=True)


def _config(context: Context) -> dict[str, Any]:
    from sampan.apiserver.yamlbody import YAMLError, load

    try:
        config = load(context.request.body)
    except YAMLError as error:
        raise BadRequest(f"error decoding YAML: {error}") from None
    if not isinstance(config, dict):
        raise BadRequest("error decoding YAML: the patch is not an object")
    meta = config.get("metadata")
    if meta is None:
        meta = config["metadata"] = {}
    if not isinstance(meta, dict):
        raise BadRequest("error decoding YAML: metadata is not an object")
    name, namespace = meta.setdefault("name", context.name), context.namespace
    if name != context.name:
        raise BadRequest(f"the name of the object ({name}) does not match the name on the URL ({context.name})")
    if namespace and meta.get("namespace", namespace) != namespace:
        raise BadRequest("the namespace of the provided object does not match the namespace sent on the request")
    return config


def _applied(
    context: Context, live: dict[str, Any] | None, config: dict[str, Any], request: ApplyRequest, options: WriteOptions
) -> Any:
    result = apply_patch(live, config, request)
    obj = decoded(context, result.object, options)
    managed.set_entries(obj, result.managed_fields)
    return obj
