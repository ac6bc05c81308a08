"""Field selectors: `metadata.name=x,status.phase!=Running`. Which fields a kind knows is the kind's business."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

_SIGN = re.compile(r"\\.|(?P<sign>!=|==|=)", re.DOTALL)
_COMMA = re.compile(r"\\.|(?P<comma>,)", re.DOTALL)


class FieldSelectorError(ValueError):
    """A field selector that cannot be; the message is the API's."""


class Term:
    """`field` equals `value`, or does not."""

    __slots__ = ("equal", "field", "value")

    def __init__(self, field: str, value: str, *, equal: bool = True) -> None:
        self.field = field
        self.value = value
        self.equal = equal

    def __str__(self) -> str:
        return f"{self.field}{'=' if self.equal else '!='}{escape(self.value)}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Term) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))


class FieldSelector:
    """All terms must hold. A field that an object does not have reads as the empty string."""

    __slots__ = ("terms",)

    def __init__(self, terms: Iterable[Term] = ()) -> None:
        self.terms = tuple(terms)

    @property
    def empty(self) -> bool:
        return not self.terms

    def fields(self) -> tuple[str, ...]:
        return tuple(t.field for t in self.terms)

    def matches(self, fields: Mapping[str, str]) -> bool:
        for t in self.terms:  # noqa: SIM110  (a generator would cost more than the tests)
            if (fields.get(t.field, "") == t.value) is not t.equal:
                return False
        return True

    def exact(self, field: str) -> str | None:
        """The one value that this field must have, if the selector says so (`metadata.name` of a watch)."""
        for t in self.terms:
            if t.equal and t.field == field:
                return t.value
        return None

    def transformed(self, change: Callable[[str, str], tuple[str, str]]) -> FieldSelector:
        """The same selector with every field and value passed through a kind's conversion, which may refuse."""
        changed = []
        for t in self.terms:
            field, value = change(t.field, t.value)
            changed.append(Term(field, value, equal=t.equal))
        return FieldSelector(changed)

    def __str__(self) -> str:
        return ",".join(map(str, self.terms))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FieldSelector) and self.terms == other.terms

    def __hash__(self) -> int:
        return hash(self.terms)


EVERYTHING = FieldSelector()


@lru_cache(maxsize=4096)
def parse(text: str) -> FieldSelector:
    """The selector, or FieldSelectorError. Terms are sorted, so that equal selectors print alike."""
    found = []
    for part in sorted(_split(text)):
        if not part:
            continue
        at = next((m for m in _SIGN.finditer(part) if m["sign"]), None)
        if at is None:
            raise FieldSelectorError(f"invalid selector: '{text}'; can't understand '{part}'")
        found.append(Term(part[: at.start()], unescape(part[at.end() :]), equal=at["sign"] != "!="))
    return FieldSelector(found) if found else EVERYTHING


def _split(text: str) -> list[str]:
    parts, start = [], 0
    for m in _COMMA.finditer(text):
        if m["comma"]:
            parts.append(text[start : m.start()])
            start = m.end()
    return [*parts, text[start:]]


def escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=")


def unescape(value: str) -> str:
    if not any(c in value for c in "\\,="):
        return value
    read: list[str] = []
    chars = iter(value)
    for c in chars:
        if c == "\\":
            following = next(chars, "")
            if following not in ("\\", ",", "="):
                raise FieldSelectorError(f"invalid field selector: invalid escape sequence: \\{following}")
            read.append(following)
        elif c in ",=":
            raise FieldSelectorError(f"invalid field selector: unescaped character in value: {ord(c)}")
        else:
            read.append(c)
    return "".join(read)
