"""GET a collection: joined bytes, in pages that are pinned to one revision."""

from __future__ import annotations

from typing import Any

from sampan.api.errors import Expired
from sampan.apiserver.binary import BinaryView
from sampan.apiserver.cache import TooOld
from sampan.apiserver.handlers.answers import reply_list, view_of
from sampan.apiserver.handlers.context import Context
from sampan.apiserver.handlers.paging import Page, next_token, page_of
from sampan.apiserver.handlers.selection import EVERYTHING, selection
from sampan.apiserver.negotiation import JSON, Accepted, accepted
from sampan.apiserver.objects import CachedObject
from sampan.apiserver.pieces import Pieces
from sampan.apiserver.request import Answer, Request
from sampan.apiserver.turns import LONG
from sampan.apiserver.views import View, list_metadata

_PLAIN = Accepted()


async def list_(context: Context) -> Answer:
    request, endpoint, cache = context.request, context.endpoint, context.endpoint.cache
    accept = request.header("accept")
    choice = _PLAIN if accept in ("", JSON, "*/*") else accepted(accept, endpoint.binary)
    view = view_of(request, endpoint, choice)
    namespace = context.namespace
    if cache.count(namespace) > LONG and _is_long(request):
        await context.core.turns.take(context.user.name)
    chosen, page = EVERYTHING, Page(cache.revision)
    if request.query_string or request.query:
        chosen, page = selection(request, endpoint), page_of(request, cache.revision)
    if chosen.matches is None and cache.unchanged_since(page.revision):
        return await _present(view, choice, namespace, page)
    try:
        objects = cache.list_at(page.revision, namespace, page.start)
    except TooOld as error:
        raise _expired(page, error) from None
    if chosen.matches is not None:
        matches = chosen.matches
        objects = [o for o in objects if matches(o)]
    left = max(0, len(objects) - page.limit) if page.limit else 0
    if left:
        objects = objects[: page.limit]
    if isinstance(view, BinaryView):
        await view.prepare(objects)
    return reply_list(_body(view, objects, page, left, counted=chosen.matches is None), choice.media)


def _is_long(request: Request) -> bool:
    """Whether more has to be looked at than a short first page."""
    if request.param("labelSelector") or request.param("fieldSelector") or request.param("continue"):
        return True
    limit = request.param("limit")
    return not (limit.isascii() and limit.isdigit() and 0 < int(limit[:9]) <= LONG)


async def _present(view: View, choice: Accepted, namespace: str, page: Page) -> Answer:
    """Everything as it is now, or a page of it: what many ask for, joined once until the next write."""
    cache = view.endpoint.cache
    key = (view.key, page.revision, namespace, page.start, page.limit)
    body: bytes | Pieces | None = cache.joined.get(key) if view.lasting else None
    if body is None:
        objects, left = cache.page(namespace, page.start, page.limit)
        if isinstance(view, BinaryView):
            await view.prepare(objects)
        body = _body(view, objects, page, left)
        if view.lasting and isinstance(body, bytes):
            cache.keep(key, body)
    return reply_list(body, choice.media)


def _body(view: View, objects: list[CachedObject], page: Page, left: int, *, counted: bool = True) -> bytes | Pieces:
    """How many are left is said only where counting them needed no selector."""
    token = next_token(page.revision, objects[-1].key) if left else ""
    return view.list(objects, list_metadata(page.revision, token, left if counted else None), b"\n")


def _expired(page: Page, error: TooOld) -> Expired:
    """A list that is too old to go on can go on inconsistently: the answer has the token for that."""
    if not page.start:
        return Expired(f"The resourceVersion for the provided list is too old: {error.requested} ({error.oldest})")
    return _ExpiredPage(
        "The provided continue parameter is too old to display a consistent list result. You can start a new list "
        "without the continue parameter, or use the continue token in this response to retrieve the remainder of the "
        "results. Continuing with the provided token results in an inconsistent list - objects that were created, "
        "modified, or deleted between the time the first chunk was returned and now may show up in the list.",
        next_token(-1, page.start),
    )


class _ExpiredPage(Expired):
    def __init__(self, message: str, token: str) -> None:
        super().__init__(message)
        self._token = token

    def status(self) -> dict[str, Any]:
        return {**super().status(), "metadata": {"continue": self._token}}
