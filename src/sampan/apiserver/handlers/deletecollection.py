"""DELETE a collection: each object that is selected, as if deleted by name."""

from __future__ import annotations

from msgspec.structs import replace

from sampan.api.errors import NotFound
from sampan.apiserver.handlers.answers import reply_list, view_of
from sampan.apiserver.handlers.context import Context
from sampan.apiserver.handlers.delete import delete_object
from sampan.apiserver.handlers.selection import selection
from sampan.apiserver.negotiation import accepted
from sampan.apiserver.options import delete_options
from sampan.apiserver.request import Answer, Request
from sampan.apiserver.views import list_metadata


async def deletecollection(context: Context) -> Answer:
    """Answers the list as it was before."""
    request, endpoint = context.request, context.endpoint
    options = delete_options(request)
    chosen = selection(request, endpoint)
    objects = endpoint.cache.all(context.namespace)
    if chosen.matches is not None:
        objects = [o for o in objects if chosen.matches(o)]
    revision = endpoint.cache.revision
    for obj in objects:
        one = Request(
            request.method,
            request.path,
            request.query_string,
            request.headers,
            connection=request.connection,
            user=request.user,
        )
        one.warnings = request.warnings
        assert request.info is not None
        one.info = replace(request.info, verb="delete", namespace=obj.namespace, name=obj.name)
        try:
            await delete_object(Context(context.core, one, endpoint), options)
        except NotFound:
            continue  # somebody else was faster
    choice = accepted(request.header("accept"), endpoint.binary)
    body = view_of(request, endpoint, choice).list(objects, list_metadata(revision), b"\n")
    return reply_list(body, choice.media)
