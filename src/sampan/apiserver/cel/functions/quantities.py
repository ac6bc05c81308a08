"""Kubernetes' quantities (`1Gi`), semantic versions, and named formats."""

from __future__ import annotations

import base64
import binascii
import functools
import re
from collections.abc import Callable
from datetime import date
from fractions import Fraction
from typing import Any

from sampan.api import names, quantity
from sampan.apiserver.cel import values
from sampan.apiserver.cel.functions.addresses import parse_url
from sampan.apiserver.cel.functions.registry import Library
from sampan.apiserver.cel.types import (
    BOOL,
    DOUBLE,
    FORMAT,
    INT,
    QUANTITY,
    SEMVER,
    STRING,
    Type,
    list_of,
    optional_of,
)
from sampan.apiserver.cel.values import NONE, CelError, Optional

_NANO = 1_000_000_000


@functools.total_ordering
class Amount:
    cel_type = QUANTITY.name

    def __init__(self, nanos: int) -> None:
        self.nanos = nanos

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Amount) and self.nanos == other.nanos

    def __lt__(self, other: Amount) -> bool:
        return self.nanos < other.nanos

    def __hash__(self) -> int:
        return hash(self.nanos)


def add_to(library: Library) -> None:
    _quantities(library)
    _semver(library)
    _formats(library)


def parse_quantity(text: str) -> Amount:
    try:
        return Amount(quantity.parse(text).nanos)
    except quantity.QuantityError as error:
        raise CelError(str(error)) from None


def _quantities(library: Library) -> None:
    library.function("quantity", STRING, gives=QUANTITY)(parse_quantity)
    library.function("isQuantity", STRING, gives=BOOL)(_is_quantity)
    library.method("sign", QUANTITY, gives=INT)(lambda q: (q.nanos > 0) - (q.nanos < 0))
    library.method("isInteger", QUANTITY, gives=BOOL)(lambda q: _whole(q) is not None)
    library.method("asInteger", QUANTITY, gives=INT)(_as_integer)
    library.method("asApproximateFloat", QUANTITY, gives=DOUBLE)(lambda q: float(Fraction(q.nanos, _NANO)))
    library.method("isGreaterThan", QUANTITY, QUANTITY, gives=BOOL)(lambda a, b: a > b)
    library.method("isLessThan", QUANTITY, QUANTITY, gives=BOOL)(lambda a, b: a < b)
    library.method("compareTo", QUANTITY, QUANTITY, gives=INT)(lambda a, b: (a > b) - (a < b))
    for name, sign in (("add", 1), ("sub", -1)):
        library.method(name, QUANTITY, QUANTITY, gives=QUANTITY)(functools.partial(_plus, sign))
        library.method(name, QUANTITY, INT, gives=QUANTITY)(functools.partial(_plus, sign))


def _is_quantity(text: str) -> bool:
    try:
        parse_quantity(text)
    except CelError:
        return False
    return True


def _whole(amount: Amount) -> int | None:
    value, rest = divmod(amount.nanos, _NANO)
    return value if rest == 0 and values.LEAST <= value <= values.MOST else None


def _as_integer(amount: Amount) -> int:
    found = _whole(amount)
    if found is None:
        raise CelError("cannot convert value to integer")
    return found


def _plus(sign: int, left: Amount, right: Amount | int) -> Amount:
    other = right.nanos if isinstance(right, Amount) else right * _NANO
    return Amount(left.nanos + sign * other)


# --- versions ---

_SEMVER = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]+)?"
)


class Version:
    cel_type = SEMVER.name

    def __init__(self, numbers: tuple[int, ...], early: tuple[str, ...]) -> None:
        self.numbers = numbers
        self.early = early

    @property
    def order(self) -> tuple[Any, ...]:
        parts = tuple((0, int(p), "") if p.isdigit() else (1, 0, p) for p in self.early)
        return (*self.numbers, not self.early, parts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self.order == other.order

    def __hash__(self) -> int:
        return hash(self.order)


def parse_version(text: str, normalize: bool = False) -> Version:
    if normalize:
        main, dash, early = text.removeprefix("v").partition("-")
        parts = [p.lstrip("0") or "0" for p in main.split(".")]
        text = ".".join(parts + ["0"] * (3 - len(parts))) + dash + early
    matched = _SEMVER.fullmatch(text)
    if matched is None:
        raise CelError("No Major.Minor.Patch elements found")
    return Version(
        tuple(int(matched[i]) for i in (1, 2, 3)), tuple(matched[4].split(".")) if matched[4] is not None else ()
    )


def _semver(library: Library) -> None:
    def valid(text: str, normalize: bool = False) -> bool:
        try:
            parse_version(text, normalize)
        except CelError:
            return False
        return True

    for more in ((), (BOOL,)):
        library.function("semver", STRING, *more, gives=SEMVER)(parse_version)
        library.function("isSemver", STRING, *more, gives=BOOL)(valid)
    for place, name in enumerate(("major", "minor", "patch")):
        library.method(name, SEMVER, gives=INT)(functools.partial(lambda at, v: v.numbers[at], place))
    library.method("isGreaterThan", SEMVER, SEMVER, gives=BOOL)(lambda a, b: a.order > b.order)
    library.method("isLessThan", SEMVER, SEMVER, gives=BOOL)(lambda a, b: a.order < b.order)
    library.method("compareTo", SEMVER, SEMVER, gives=INT)(lambda a, b: (a.order > b.order) - (a.order < b.order))


# --- formats ---


class Format:
    cel_type = FORMAT.name

    def __init__(self, name: str, objections: Callable[[str], list[str]]) -> None:
        self.name = name
        self.objections = objections


def _unless(check: Callable[[str], bool], said: str) -> Callable[[str], list[str]]:
    return lambda text: [] if check(text) else [said]


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return len(text) == 10


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _parses(parse: Callable[[str], Any]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            parse(text)
        except CelError:
            return False
        return True

    return check


_UUID = re.compile(r"(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")
_FORMATS: dict[str, Callable[[str], list[str]]] = {
    "dns1123Label": lambda text: list(names.dns1123_label(text)),
    "dns1123Subdomain": lambda text: list(names.dns1123_subdomain(text)),
    "dns1035Label": lambda text: list(names.dns1035_label(text)),
    "dns1123LabelPrefix": lambda text: list(names.dns1123_label(names.name_for_generate(text))),
    "dns1123SubdomainPrefix": lambda text: list(names.dns1123_subdomain(names.name_for_generate(text))),
    "dns1035LabelPrefix": lambda text: list(names.dns1035_label(names.name_for_generate(text))),
    "qualifiedName": lambda text: list(names.qualified_name(text)),
    "labelValue": lambda text: list(names.label_value(text)),
    "uri": _unless(_parses(parse_url), "invalid URI"),
    "uuid": _unless(lambda text: _UUID.fullmatch(text) is not None, "does not match the UUID format"),
    "byte": _unless(_is_base64, "invalid base64"),
    "date": _unless(_is_date, "invalid date"),
    "datetime": _unless(_parses(values.parse_timestamp), "invalid datetime"),
}


def _formats(library: Library) -> None:
    for name, objections in _FORMATS.items():
        found = Format(name, objections)
        library.function(f"format.{name}", gives=FORMAT)(functools.partial(lambda f: f, found))
    named: Type = optional_of(FORMAT)
    library.function("format.named", STRING, gives=named)(
        lambda name: Optional(True, Format(name, _FORMATS[name])) if name in _FORMATS else NONE
    )
    library.method("validate", FORMAT, STRING, gives=optional_of(list_of(STRING)))(_validate)


def _validate(wanted: Format, text: str) -> Optional:
    found = wanted.objections(text)
    return Optional(True, found) if found else NONE
