"""The values of selectable fields, read once per version of an object.

Fields that are plain strings in the object (a Pod's node, its phase) are read by a decoder that looks at nothing else:
a tenth of the cost of reading the whole object, and a kubelet's first list reads every Pod there is. What a kind
computes (`source` of an Event) comes from its strategy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from sampan.api.schema import type_schema
from sampan.apiserver.endpoint import Endpoint
from sampan.apiserver.objects import CachedObject

Values = Mapping[str, str]


def selectable(obj: CachedObject, endpoint: Endpoint) -> Values:
    """All that the kind offers."""
    return _kept(obj, (endpoint.info.group, endpoint.info.version, "fields"), lambda: _from_strategy(obj, endpoint))


def _from_strategy(obj: CachedObject, endpoint: Endpoint) -> Values:
    found: Values = endpoint.strategy.selectable_fields(endpoint.decode(obj))
    return found


def reader(endpoint: Endpoint, fields: tuple[str, ...]) -> Callable[[CachedObject], Values]:
    """What reads these fields (none of metadata) of an object."""
    reference = endpoint.info.schema_ref
    if not reference or endpoint.convert_tail is not None or not all(_is_plain(reference, f) for f in fields):
        return lambda obj: selectable(obj, endpoint)
    decode = _decoder(fields).decode
    key = ("plain", fields)

    def read(obj: CachedObject) -> Values:
        return _kept(obj, key, lambda: {f: _at(decode(b"{" + obj.tail), f) for f in fields})

    return read


def _kept(obj: CachedObject, key: object, make: Callable[[], Values]) -> Values:
    views = obj.views
    if views is None:
        views = obj.views = {}
    found: Values | None = views.get(key)
    if found is None:
        found = views[key] = make()
    return found


def _is_plain(reference: str, field: str) -> bool:
    """Whether the dotted path leads through structs to a string."""
    *above, last = field.split(".")
    for step in above:
        below = type_schema(reference).fields.get(step)
        if below is None or not below.ref:
            return False
        reference = below.ref
    leaf = type_schema(reference).fields.get(last)
    return leaf is not None and leaf.leaf == "string"


@lru_cache(maxsize=256)
def _decoder(fields: tuple[str, ...]) -> msgspec.json.Decoder[Any]:
    tree: dict[str, Any] = {}
    for field in fields:
        *above, last = field.split(".")
        node = tree
        for step in above:
            node = node.setdefault(step, {})
        node[last] = None
    return msgspec.json.Decoder(_shape(tree))


def _shape(tree: dict[str, Any]) -> Any:
    members = [(name, (str if below is None else _shape(below)) | None, None) for name, below in tree.items()]
    return msgspec.defstruct("Fields", members, gc=False)


def _at(value: Any, field: str) -> str:
    for step in field.split("."):
        value = getattr(value, step, None)
    return value or ""
