"""GET a collection: joined bytes, in pages that are pinned to one revision."""

from __future__ import annotations

from typing import Any

from sampan.api.errors import Expired
from sampan.apiserver.cache import TooOld
from sampan.apiserver.handlers.answers import view_of
from sampan.apiserver.handlers.context import Context
from sampan.apiserver.handlers.paging import Page, next_token, page_of
from sampan.apiserver.handlers.selection import selection
from sampan.apiserver.negotiation import JSON, Accepted, accepted, render
from sampan.apiserver.objects import CachedObject
from sampan.apiserver.request import Answer, Reply
from sampan.apiserver.views import View, list_metadata

_PLAIN = Accepted()


async def list_(context: Context) -> Answer:
    request, endpoint, cache = context.request, context.endpoint, context.endpoint.cache
    accept = request.header("accept")
    choice = _PLAIN if accept in ("", JSON, "*/*") else accepted(accept)
    view = endpoint.view if not choice.kind else view_of(request, endpoint, choice)
    namespace = context.namespace
    if not request.query_string and not request.query:
        body = view.list(cache.all(namespace), list_metadata(cache.revision))
        return Reply(200, render(body + b"\n", choice.media), choice.media)
    chosen = selection(request, endpoint)
    page = page_of(request, cache.revision)
    if chosen.matches is None and page.limit and cache.unchanged_since(page.revision):
        objects, left = cache.page(namespace, page.start, page.limit)
        return _answer(view, choice, objects, page, left)
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
    return _answer(view, choice, objects, page, left, counted=chosen.matches is None)


def _answer(
    view: View, choice: Accepted, objects: list[CachedObject], page: Page, left: int, *, counted: bool = True
) -> Answer:
    """How many are left is said only where counting them needed no selector."""
    token = next_token(page.revision, objects[-1].key) if left else ""
    body = view.list(objects, list_metadata(page.revision, token, left if counted else None))
    return Reply(200, render(body + b"\n", choice.media), choice.media)


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
