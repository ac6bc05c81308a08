"""Label selectors: what matches, and its two written shapes (the query string and the LabelSelector object)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from sampan.api.goquote import quote
from sampan.api.selectors.parser import parse_requirements
from sampan.api.selectors.requirement import (
    DOES_NOT_EXIST,
    DOUBLE_EQUALS,
    EQUALS,
    EXISTS,
    GREATER_THAN,
    IN,
    LESS_THAN,
    NOT_EQUALS,
    NOT_IN,
    Labels,
    Requirement,
    SelectorError,
    requirement,
)

__all__ = [
    "DOES_NOT_EXIST", "DOUBLE_EQUALS", "EQUALS", "EVERYTHING", "EXISTS", "GREATER_THAN", "IN", "LESS_THAN", "NOTHING",
    "NOT_EQUALS", "NOT_IN", "Labels", "Requirement", "Selector", "SelectorError", "format_label_selector",
    "from_label_selector", "from_node_selector_expressions", "from_set", "parse", "requirement",
]  # fmt: skip

_OBJECT_OPERATORS = {"In": IN, "NotIn": NOT_IN, "Exists": EXISTS, "DoesNotExist": DOES_NOT_EXIST}
_NODE_OPERATORS = {**_OBJECT_OPERATORS, "Gt": GREATER_THAN, "Lt": LESS_THAN}


class Selector:
    """All requirements must hold. Immutable; `matches` may be called from any number of places."""

    __slots__ = ("_tests", "requirements")

    def __init__(self, requirements: Iterable[Requirement] = ()) -> None:
        self.requirements = tuple(sorted(requirements, key=lambda r: r.key))
        self._tests = tuple(r.compiled() for r in self.requirements)

    @property
    def empty(self) -> bool:
        """Whether everything matches."""
        return not self.requirements

    @property
    def nothing(self) -> bool:
        """Whether nothing can match (an absent LabelSelector)."""
        return False

    def matches(self, labels: Labels | None) -> bool:
        labels = labels or _NO_LABELS
        for test in self._tests:  # noqa: SIM110  (a generator would cost more than the tests)
            if not test(labels):
                return False
        return True

    def exact(self, key: str) -> str | None:
        """The one value that this key must have, if the selector says so: a caller with an index can use it."""
        for r in self.requirements:
            if r.key == key:
                one = r.operator in (EQUALS, DOUBLE_EQUALS, IN) and len(r.values) == 1
                return r.values[0] if one else None
        return None

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))

    def __repr__(self) -> str:
        return f"Selector({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and isinstance(other, Selector) and self.requirements == other.requirements

    def __hash__(self) -> int:
        return hash(self.requirements)


class _Nothing(Selector):
    __slots__ = ()

    @property
    def empty(self) -> bool:
        return False

    @property
    def nothing(self) -> bool:
        return True

    def matches(self, labels: Labels | None) -> bool:
        return False


_NO_LABELS: Labels = {}
EVERYTHING = Selector()
NOTHING: Selector = _Nothing()


@lru_cache(maxsize=4096)
def parse(text: str) -> Selector:
    """`a=b,c!=d,e,!f,g in (h,i),j notin (k),l>1`. The empty string selects everything."""
    found = parse_requirements(text)
    return Selector(found) if found else EVERYTHING


def from_set(labels: Labels | None) -> Selector:
    """Exactly these labels (a Service's or ReplicationController's selector). No labels: everything."""
    return Selector(Requirement(k, EQUALS, (v,)) for k, v in labels.items()) if labels else EVERYTHING


def from_label_selector(selector: Any) -> Selector:
    """A LabelSelector (typed or plain) as a selector: absent selects nothing, empty selects everything."""
    if selector is None:
        return NOTHING
    match_labels = _field(selector, "matchLabels") or {}
    expressions = _field(selector, "matchExpressions") or ()
    found = [requirement(k, EQUALS, (v,)) for k, v in match_labels.items()]
    for expression in expressions:
        written = _field(expression, "operator") or ""
        operator = _OBJECT_OPERATORS.get(written)
        if operator is None:
            raise SelectorError(f"{quote(written)} is not a valid label selector operator")
        found.append(requirement(_field(expression, "key") or "", operator, _field(expression, "values") or ()))
    return Selector(found) if found else EVERYTHING


def from_node_selector_expressions(expressions: Iterable[Any]) -> Selector:
    """The `matchExpressions` of a node selector term, which know Gt and Lt as well."""
    found = []
    for expression in expressions:
        written = _field(expression, "operator") or ""
        operator = _NODE_OPERATORS.get(written)
        if operator is None:
            raise SelectorError(f"{quote(written)} is not a valid node selector operator")
        found.append(requirement(_field(expression, "key") or "", operator, _field(expression, "values") or ()))
    return Selector(found)


def format_label_selector(selector: Any) -> str:
    """How kubectl shows a LabelSelector in a column."""
    try:
        text = str(from_label_selector(selector))
    except SelectorError:
        return "<error>"
    return text or "<none>"


def _field(thing: Any, name: str) -> Any:
    return thing.get(name) if isinstance(thing, Mapping) else getattr(thing, name)
