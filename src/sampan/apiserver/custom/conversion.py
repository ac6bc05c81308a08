"""Custom resources whose versions differ: a webhook turns an object of one version into one of another.

An object is kept in the version that it was last written in, and its bytes say which. Whoever reads it in another
version gets what the webhook makes of it. It is asked when somebody first needs that, for many objects at once, and its
answer is kept with that state of the object. So a write asks nobody, and a read asks once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec

from sampan.api.errors import ApiError, InternalError
from sampan.apiserver.codec import decode_any, encode
from sampan.apiserver.objects import VERSION, CachedObject
from sampan.apiserver.outward.calls import CallFailed, ask, target_of

if TYPE_CHECKING:
    from sampan.api.scheme import ResourceInfo
    from sampan.api.types.apiextensions_v1 import WebhookConversion
    from sampan.apiserver.cache import Event
    from sampan.apiserver.core import Core
    from sampan.apiserver.handlers.context import Context
    from sampan.apiserver.request import Answer
    from sampan.apiserver.views import View

_SECONDS = 30.0
_BATCH = 500
_TRIES = 8
_MAY_CHANGE = ("labels", "annotations")


class NotConverted(Exception):
    """An object is needed in a version in which it is not there yet."""


class Converter:
    """For one served version. `fallback`: the version of objects that do not say theirs."""

    def __init__(self, core: Core, info: ResourceInfo, webhook: WebhookConversion, fallback: str) -> None:
        self._core = core
        self._info = info
        self._webhook = webhook
        self._fallback = fallback
        self._key = ("converted", info.version)

    def tail(self, obj: CachedObject) -> bytes:
        """Raises `NotConverted`."""
        views = obj.views or {}
        if views.get(VERSION, self._fallback) == self._info.version:
            return obj.tail
        found: bytes | None = views.get(self._key)
        if found is None:
            raise NotConverted
        return found

    async def serve(self, handler: Callable[[Context], Awaitable[Answer]], context: Context) -> Answer:
        """A handler finds out what it needs by trying; nothing is written before it has read."""
        for _ in range(_TRIES):
            try:
                return await handler(context)
            except NotConverted:
                cache = context.endpoint.cache
                one = cache.get(context.namespace, context.name) if context.name else None
                await self.prepare([one] if one is not None else cache.all(context.namespace))
        raise self._failed("the objects change faster than they are converted")

    async def prepare(self, objects: Sequence[CachedObject]) -> None:
        """Whatever of these is not there in this version yet. Raises `InternalError`."""
        missing = [o for o in objects if not self._has(o)]
        for start in range(0, len(missing), _BATCH):
            await self._convert(missing[start : start + _BATCH])

    async def prepare_events(self, view: View, entries: Sequence[Any]) -> None:
        """What a watcher is about to be told."""
        objects = [e for e in entries if isinstance(e, CachedObject)]
        for entry in entries:
            if isinstance(entry, tuple):
                kind, event = entry
                objects.append(event.object if kind != "LEFT" else self._left(view, event))
        await self.prepare(objects)

    @staticmethod
    def _left(view: View, event: Event) -> CachedObject:
        """What went out of a selector: its last matching content under the new revision. Made once."""
        assert event.previous is not None
        key = ("left", view.endpoint.info.version)
        found = event.frames.get(key)
        if not isinstance(found, CachedObject):
            found = event.frames[key] = event.previous.at_revision(event.revision)
            found.views = {VERSION: (event.previous.views or {}).get(VERSION)}
        return found

    def _has(self, obj: CachedObject) -> bool:
        try:
            self.tail(obj)
        except NotConverted:
            return False
        return True

    async def _convert(self, objects: list[CachedObject]) -> None:
        group, kind = self._info.group, self._info.kind
        plain = []
        for obj in objects:
            version = (obj.views or {}).get(VERSION) or self._fallback
            plain.append({"kind": kind, "apiVersion": f"{group}/{version}", **decode_any(b"{" + obj.tail)})
        uid = str(uuid4())
        request = {"uid": uid, "desiredAPIVersion": self._info.api_version, "objects": plain}
        try:
            config = self._webhook.clientConfig
            if config is None:
                raise CallFailed("no clientConfig")
            review = {"kind": "ConversionReview", "apiVersion": "apiextensions.k8s.io/v1", "request": request}
            answer = await ask(target_of(self._core, config), review, seconds=_SECONDS)
            converted = _converted(answer, uid, len(plain))
            tails = [
                _tail(before, after, self._info.api_version) for before, after in zip(plain, converted, strict=True)
            ]
        except (CallFailed, _Wrong) as error:
            raise self._failed(str(error)) from None
        for obj, tail in zip(objects, tails, strict=True):
            if obj.views is None:
                obj.views = {}
            obj.views[self._key] = tail

    def _failed(self, why: str) -> ApiError:
        return InternalError(f"conversion webhook for {self._info.api_version}, Kind={self._info.kind} failed: {why}")


class _Wrong(Exception):
    """The webhook's answer is not what was asked for."""


def _converted(answer: Any, uid: str, count: int) -> list[Any]:
    response = answer.get("response") if isinstance(answer, dict) else None
    if not isinstance(response, dict):
        raise _Wrong("no response provided")
    if response.get("uid") != uid:
        raise _Wrong(f'expected response.uid="{uid}", got "{response.get("uid", "")}"')
    result = response.get("result")
    if not isinstance(result, dict) or result.get("status") != "Success":
        raise _Wrong(str((result or {}).get("message") or "the webhook gave no reason"))
    objects = response.get("convertedObjects")
    if not isinstance(objects, list) or len(objects) != count:
        raise _Wrong(f"expected {count} converted objects")
    return objects


def _tail(before: dict[str, Any], after: Any, api_version: str) -> bytes:
    """Metadata stays what it was, but for labels and annotations."""
    if not isinstance(after, dict) or after.get("apiVersion") != api_version:
        raise _Wrong(f"returned an object that is not of {api_version}")
    meta, said = dict(before["metadata"]), after.get("metadata")
    said = said if isinstance(said, dict) else {}
    if said.get("name") != meta.get("name") or said.get("uid") != meta.get("uid"):
        raise _Wrong("returned an object of another name or uid")
    for field in _MAY_CHANGE:
        meta.pop(field, None)
        if said.get(field):
            meta[field] = said[field]
    rest = {k: v for k, v in after.items() if k not in ("kind", "apiVersion", "metadata")}
    revision = meta.pop("resourceVersion")
    try:
        whole = encode({"metadata": {"resourceVersion": revision, **meta}, **rest})
    except (msgspec.EncodeError, TypeError) as error:
        raise _Wrong(str(error)) from None
    return whole[1:]
