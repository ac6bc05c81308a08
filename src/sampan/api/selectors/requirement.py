"""One condition of a label selector."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from sampan.api import names
from sampan.api.goquote import quote, to_json

EQUALS = "="
DOUBLE_EQUALS = "=="
NOT_EQUALS = "!="
IN = "in"
NOT_IN = "notin"
EXISTS = "exists"
DOES_NOT_EXIST = "!"
GREATER_THAN = "gt"
LESS_THAN = "lt"

_VALID_OPERATORS = (IN, NOT_IN, EQUALS, DOUBLE_EQUALS, NOT_EQUALS, GREATER_THAN, LESS_THAN, EXISTS, DOES_NOT_EXIST)

Labels = Mapping[str, str]


class SelectorError(ValueError):
    """A selector that cannot be; the message is the API's."""


class Requirement:
    """One condition on one key."""

    __slots__ = ("key", "operator", "values")

    def __init__(self, key: str, operator: str, values: Iterable[str] = ()) -> None:
        self.key = key
        self.operator = operator
        self.values = tuple(values)

    def __str__(self) -> str:
        if self.operator == EXISTS:
            return self.key
        if self.operator == DOES_NOT_EXIST:
            return f"!{self.key}"
        joined = ",".join(sorted(self.values))
        if self.operator in (IN, NOT_IN):
            return f"{self.key} {self.operator} ({joined})"
        sign = {GREATER_THAN: ">", LESS_THAN: "<"}.get(self.operator, self.operator)
        return f"{self.key}{sign}{joined}"

    def __repr__(self) -> str:
        return f"Requirement({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Requirement) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[str, str, tuple[str, ...]]:
        return self.key, self.operator, self.values

    def compiled(self) -> Callable[[Labels], bool]:
        key, operator = self.key, self.operator
        if operator in (EQUALS, DOUBLE_EQUALS) or (operator == IN and len(self.values) == 1):
            wanted = self.values[0]
            return lambda labels: labels.get(key) == wanted
        if operator == IN:
            allowed = frozenset(self.values)
            return lambda labels: labels.get(key) in allowed
        if operator in (NOT_EQUALS, NOT_IN):
            # A missing key gives None, which is in no set of strings.
            refused = frozenset(self.values)
            return lambda labels: labels.get(key) not in refused
        if operator == EXISTS:
            return lambda labels: key in labels
        if operator == DOES_NOT_EXIST:
            return lambda labels: key not in labels
        bound = _integer(self.values[0]) if len(self.values) == 1 else None
        greater = operator == GREATER_THAN
        return lambda labels: _compares(labels.get(key), bound, greater=greater)


def requirement(key: str, operator: str, values: Iterable[str] = ()) -> Requirement:
    """A checked requirement; SelectorError lists every objection the way the API does."""
    values = tuple(values)
    found = [_invalid("key", key, o) for o in _joined(names.label_key(key))]
    if operator in (IN, NOT_IN):
        if not values:
            found.append(_invalid("values", values, "for 'in', 'notin' operators, values set can't be empty"))
    elif operator in (EQUALS, DOUBLE_EQUALS, NOT_EQUALS):
        if len(values) != 1:
            found.append(_invalid("values", values, "exact-match compatibility requires one single value"))
    elif operator in (EXISTS, DOES_NOT_EXIST):
        if values:
            found.append(_invalid("values", values, "values set must be empty for exists and does not exist"))
    elif operator in (GREATER_THAN, LESS_THAN):
        if len(values) != 1:
            found.append(_invalid("values", values, "for 'Gt', 'Lt' operators, exactly one value is required"))
        said = "for 'Gt', 'Lt' operators, the value must be an integer"
        found += [_invalid(f"values[{i}]", v, said) for i, v in enumerate(values) if _integer(v) is None]
    else:
        supported = ", ".join(quote(o) for o in sorted(_VALID_OPERATORS))
        found.append(f"operator: Unsupported value: {quote(operator)}: supported values: {supported}")
    for i, v in enumerate(values):
        found += [_invalid(f"values[{i}][{key}]", v, o) for o in _joined(names.label_value(v))]
    if found:
        unique = list(dict.fromkeys(found))
        raise SelectorError(unique[0] if len(unique) == 1 else f"[{', '.join(unique)}]")
    return Requirement(key, operator, values)


def _joined(objections: tuple[str, ...]) -> tuple[str, ...]:
    return ("; ".join(objections),) if objections else ()


def _invalid(path: str, value: str | tuple[str, ...], said: str) -> str:
    shown = quote(value) if isinstance(value, str) else to_json(list(value))
    return f"{path}: Invalid value: {shown}: {said}"


def _integer(text: str | None) -> int | None:
    """A 64-bit decimal, as strictly as the API reads it."""
    if text is None or not text.isascii() or not text.lstrip("+-").isdigit() or text.count("+") + text.count("-") > 1:
        return None
    number = int(text) if len(text) < 30 else 2**64
    return number if -(2**63) <= number < 2**63 else None


def _compares(text: str | None, bound: int | None, *, greater: bool) -> bool:
    number = _integer(text)
    if number is None or bound is None:
        return False
    return number > bound if greater else number < bound
