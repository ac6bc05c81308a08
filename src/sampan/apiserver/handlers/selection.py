"""labelSelector and fieldSelector, compiled to one test on cached objects."""

from __future__ import annotations

from msgspec import Struct

from sampan.api.errors import BadRequest
from sampan.api.selectors import fields, labels
from sampan.apiserver.endpoint import Endpoint
from sampan.apiserver.handlers.fieldvalues import reader
from sampan.apiserver.objects import CachedObject
from sampan.apiserver.request import Request
from sampan.apiserver.watcher import Matcher

_META = frozenset(("metadata.name", "metadata.namespace"))


class Selection(Struct, frozen=True):
    """`matches` None: everything. `name` is set when metadata.name is asked for exactly."""

    matches: Matcher | None = None
    name: str | None = None
    fields: fields.FieldSelector = fields.EVERYTHING


EVERYTHING = Selection()


def selection(request: Request, endpoint: Endpoint) -> Selection:
    label_text, field_text = request.param("labelSelector"), request.param("fieldSelector")
    if not label_text and not field_text:
        return EVERYTHING
    label_selector = _labels(label_text)
    field_selector = _fields(field_text, endpoint)
    tests: list[Matcher] = []
    if not label_selector.empty:
        matches_labels = label_selector.matches
        tests.append(lambda obj: matches_labels(obj.labels))
    if not field_selector.empty:
        tests.append(_field_test(field_selector, endpoint))
    name = field_selector.exact("metadata.name")
    if not tests:
        return EVERYTHING
    if len(tests) == 1:
        return Selection(tests[0], name, field_selector)
    first, second = tests
    return Selection(lambda obj: first(obj) and second(obj), name, field_selector)


def _labels(text: str) -> labels.Selector:
    try:
        return labels.parse(text)
    except labels.SelectorError as error:
        raise BadRequest(str(error)) from None


def _fields(text: str, endpoint: Endpoint) -> fields.FieldSelector:
    try:
        selector = fields.parse(text)
    except fields.FieldSelectorError as error:
        raise BadRequest(str(error)) from None
    strategy = endpoint.strategy
    for field in selector.fields():
        if not strategy.supports_field(field):
            raise BadRequest(f"field label not supported: {field}")
    aliases = strategy.field_aliases
    if aliases and any(f in aliases for f in selector.fields()):
        return selector.transformed(lambda f, v: (aliases.get(f, f), v))
    return selector


def _field_test(selector: fields.FieldSelector, endpoint: Endpoint) -> Matcher:
    """Name and namespace stand in the key; other fields are read once per version of an object."""
    terms = selector.terms
    if all(t.field in _META for t in terms):

        def on_key(obj: CachedObject) -> bool:
            for term in terms:
                value = obj.name if term.field == "metadata.name" else obj.namespace
                if (value == term.value) is not term.equal:
                    return False
            return True

        return on_key
    others = tuple(sorted({t.field for t in terms} - _META))
    values = reader(endpoint, others)
    if len(others) == len({t.field for t in terms}):
        return lambda obj: selector.matches(values(obj))
    named = {"metadata.name": "name", "metadata.namespace": "namespace"}

    def on_both(obj: CachedObject) -> bool:
        return selector.matches({**values(obj), **{f: getattr(obj, at) for f, at in named.items()}})

    return on_both
