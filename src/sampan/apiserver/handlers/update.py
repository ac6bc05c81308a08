"""PUT a whole object."""

from __future__ import annotations

from typing import Any

from sampan.apiserver.bodies import read_object
from sampan.apiserver.handlers.context import Context
from sampan.apiserver.handlers.create import create_object
from sampan.apiserver.handlers.rewrite import rewrite
from sampan.apiserver.objects import CachedObject
from sampan.apiserver.options import write_options
from sampan.apiserver.request import Answer


async def update(context: Context) -> Answer:
    endpoint = context.endpoint
    options = write_options(context.request, "UpdateOptions")
    first: Any = read_object(context.request, endpoint, validation=options.field_validation)
    context.check_namespace(first)
    context.check_name(first)
    may_create = endpoint.strategy.allow_create_on_update and not context.info.subresource
    if may_create and endpoint.cache.get(context.namespace, context.name) is None:
        await context.check_may_create()
        first.metadata.resourceVersion = None
        return await create_object(context, first, options)
    pristine = endpoint.codec.copy(first)

    def change(_: CachedObject) -> Any:
        return endpoint.codec.copy(pristine)

    return await rewrite(context, change, options)
