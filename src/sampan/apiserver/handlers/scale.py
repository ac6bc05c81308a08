"""scale: the wanted size of whatever has one, as autoscaling/v1 Scale."""

from __future__ import annotations

from typing import Any

from sampan.api.errors import BadRequest, FieldError, invalid
from sampan.apiserver.bodies import from_dict, read_object
from sampan.apiserver.codec import decode_any, encode
from sampan.apiserver.endpoint import kind_of
from sampan.apiserver.handlers.answers import answer_kind
from sampan.apiserver.handlers.context import Context
from sampan.apiserver.handlers.patch import APPLY, patcher_for
from sampan.apiserver.handlers.rewrite import rewrite_object
from sampan.apiserver.objects import CachedObject
from sampan.apiserver.options import write_options
from sampan.apiserver.request import Answer

_SCALE = ("autoscaling", "v1", "Scale")


async def get_scale(context: Context) -> Answer:
    obj = context.endpoint.decode(context.endpoint.find(context.namespace, context.name))
    return _answer(context, obj)


async def update_scale(context: Context) -> Answer:
    options = write_options(context.request, "UpdateOptions")
    scale = read_object(context.request, kind_of(*_SCALE), validation=options.field_validation)
    if scale.metadata.name and scale.metadata.name != context.name:
        raise BadRequest(
            f"the name of the object ({scale.metadata.name}) does not match the name on the URL ({context.name})"
        )
    return await _write(context, lambda obj: scale)


async def patch_scale(context: Context) -> Answer:
    media = context.request.header("content-type").partition(";")[0].strip().lower()
    options = write_options(context.request, "PatchOptions")
    kind = kind_of(*_SCALE)
    patcher = patcher_for(context, "application/merge-patch+json" if media in APPLY else media, kind=kind)

    def change(obj: Any) -> Any:
        scale = context.endpoint.strategy.scale_of(obj)
        scale.kind, scale.apiVersion = kind.info.kind, kind.info.api_version
        after = patcher(decode_any(encode(scale)))
        return from_dict(after, kind, context.request, validation=options.field_validation)

    return await _write(context, change)


async def _write(context: Context, scaled: Any) -> Answer:
    endpoint = context.endpoint
    options = write_options(context.request, "UpdateOptions")

    def change(current: CachedObject) -> Any:
        obj = endpoint.decode(current)
        scale = scaled(obj)
        replicas = scale.spec.replicas or 0
        if replicas < 0:
            text = f"Invalid value: {replicas}: must be greater than or equal to 0"
            error = FieldError("FieldValueInvalid", "spec.replicas", text)
            raise invalid("Scale", context.name, [error], group="autoscaling")
        wanted = scale.metadata
        obj.metadata.resourceVersion = wanted.resourceVersion or None
        if wanted.uid:
            obj.metadata.uid = wanted.uid
        endpoint.strategy.apply_scale(obj, scale)
        return obj

    written = await rewrite_object(context, change, options)
    obj = written.obj if written.stored is None else endpoint.decode(written.stored)
    return _answer(context, obj)


def _answer(context: Context, obj: Any) -> Answer:
    scale = context.endpoint.strategy.scale_of(obj)
    scale.spec.replicas = scale.spec.replicas or None  # none are not written
    return answer_kind(context, kind_of(*_SCALE), scale)
