"""GET a stream of changes: from now, from a revision, or with the present state first."""

from __future__ import annotations

import random

from sampan.api.errors import Expired, FieldError, invalid
from sampan.apiserver.cache import TooOld
from sampan.apiserver.handlers.answers import view_of
from sampan.apiserver.handlers.context import Context
from sampan.apiserver.handlers.fieldvalues import reader
from sampan.apiserver.handlers.paging import revision_of, too_large
from sampan.apiserver.handlers.selection import Selection, selection
from sampan.apiserver.negotiation import JSON, PROTOBUF, accepted
from sampan.apiserver.options import boolean, integer
from sampan.apiserver.request import Answer, Request, Stream
from sampan.apiserver.watcher import Matcher, Watcher

_MIN_SECONDS = 1800.0


async def watch(context: Context) -> Answer:
    request, endpoint, cache = context.request, context.endpoint, context.endpoint.cache
    initial, bookmarks = _initial_events(request)
    # A state that is told by events ends with a bookmark, and rows have none.
    choice = accepted(request.header("accept").replace(";stream=watch", ""), endpoint.binary, tables=not initial)
    view = view_of(request, endpoint, choice)
    chosen = selection(request, endpoint)
    asked = request.param("resourceVersion")
    revision = revision_of(asked)
    if revision > cache.revision:
        raise too_large(revision, cache.revision)
    seconds = integer(request, "timeoutSeconds")
    watcher = Watcher(
        cache,
        view,
        namespace=context.namespace,
        name=context.name,
        matches=_with_name(chosen.matches, context.name),
        index=_index(context, chosen),
        bookmarks=bookmarks,
        timeout=float(seconds) if seconds else _MIN_SECONDS * (1 + random.random()),
    )
    # From here to `add_watcher` nothing awaits: no event can slip between the state and the stream.
    if initial or (initial is None and not revision):
        objects = cache.all(context.namespace)
        matches = _with_name(chosen.matches, context.name)
        watcher.put(objects if matches is None else [o for o in objects if matches(o)])
        if initial and bookmarks:
            watcher.put([view.bookmark(cache.revision, initial_events_end=True)])
    elif revision:
        try:
            for event in cache.since(revision):
                watcher.offer(event)
        except TooOld as error:
            watcher.put([view.error(Expired(str(error)).status())])
            watcher.end()
            return _stream(watcher, choice.media)
    cache.add_watcher(watcher)
    return _stream(watcher, choice.media)


def _stream(watcher: Watcher, media: str) -> Stream:
    """Lines of JSON; frames of protobuf say their length themselves."""
    content_type = media if media == JSON else f"{media};stream=watch"
    return Stream(watcher, content_type, separator=b"" if media == PROTOBUF else b"\n")


def _initial_events(request: Request) -> tuple[bool | None, bool]:
    """sendInitialEvents (None: not said) and allowWatchBookmarks, with the rules that bind them."""
    bookmarks = boolean(request, "allowWatchBookmarks")
    said = request.param("sendInitialEvents")
    match = request.param("resourceVersionMatch")
    errors: list[FieldError] = []
    if not said:
        if match:
            text = "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
            errors.append(FieldError("FieldValueForbidden", "resourceVersionMatch", text))
    else:
        if not match:
            text = "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
            errors.append(FieldError("FieldValueForbidden", "resourceVersionMatch", text))
        elif match != "NotOlderThan":
            text = f'Unsupported value: "{match}": supported values: "NotOlderThan"'
            errors.append(FieldError("FieldValueNotSupported", "resourceVersionMatch", text))
    if errors:
        raise invalid("ListOptions", "", errors, group="meta.k8s.io")
    return (boolean(request, "sendInitialEvents") if said else None), bookmarks


def _with_name(matches: Matcher | None, name: str) -> Matcher | None:
    """A watch of one object by its address."""
    if not name:
        return matches
    if matches is None:
        return lambda obj: obj.name == name
    inner = matches
    return lambda obj: obj.name == name and inner(obj)


def _index(context: Context, chosen: Selection) -> str | None:
    """The value that the kind's indexed field must have, if the selector says so."""
    endpoint = context.endpoint
    field = endpoint.strategy.indexed_field
    if not field or endpoint.convert_tail is not None:
        return None
    if endpoint.cache.index is None:
        values = reader(endpoint, (field,))
        endpoint.cache.index = lambda obj: values(obj).get(field, "")
    return chosen.fields.exact(field)
