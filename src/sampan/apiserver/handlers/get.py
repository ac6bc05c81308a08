"""GET one object: prepared bytes."""

from __future__ import annotations

from sampan.apiserver.handlers.answers import answer_cached
from sampan.apiserver.handlers.context import Context
from sampan.apiserver.request import Answer


async def get(context: Context) -> Answer:
    endpoint, info = context.endpoint, context.info
    obj = endpoint.cache.get(info.namespace, info.name)
    if obj is None:
        raise endpoint.not_found(info.name)
    return answer_cached(context, obj)
