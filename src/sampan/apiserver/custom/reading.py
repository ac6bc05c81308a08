"""How custom resources are read that were stored before their schema became what it is: with the defaults that it has
now, and without the fields that it does not know.

What was written since has been through the schema already, and is handed on as it is. Of what is older, each object is
looked at when somebody first reads it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sampan.apiserver.custom.pruning import PRESERVE

if TYPE_CHECKING:
    from sampan.apiserver.codec import CustomObject
    from sampan.apiserver.endpoint import Endpoint
    from sampan.apiserver.objects import CachedObject

_KEY = "read"


class Reading:
    """`since`: the revision up to which objects may have been written under another schema."""

    def __init__(self, endpoint: Endpoint, since: int) -> None:
        self._endpoint = endpoint
        self._since = since

    def tail(self, obj: CachedObject) -> bytes:
        if obj.revision > self._since:
            return obj.tail
        views = obj.views
        if views is None:
            views = obj.views = {}
        found = views.get(_KEY)
        if found is None or found[0] is not self:
            whole = self._endpoint.whole(self._endpoint.decode(obj))
            tail = whole[whole.index(b'"metadata"') :]
            found = views[_KEY] = (self, obj.tail if tail == obj.tail else tail)
        tail_now: bytes = found[1]
        return tail_now

    def applied(self, obj: CachedObject, stored: CustomObject) -> CustomObject:
        """The same to an object that was decoded."""
        if obj.revision <= self._since:
            self._endpoint.strategy.default(stored)
        return stored


def may_change(schema: Any) -> bool:
    """Whether a schema leaves anything else of an object than was stored."""
    return bool(schema) and (not schema.get(PRESERVE) or bool(schema.get("properties")))
