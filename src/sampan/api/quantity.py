"""Quantities (`100m`, `1Gi`, `1e3`): exact, with Kubernetes' grammar, canonical form and rounding.

A quantity is a whole number of billionths, so arithmetic is integer arithmetic: nothing finer exists in the API. The
format that was written (decimal suffix, binary suffix, exponent) is kept and used again when the sum is printed.

Hot paths use `value`, `milli_value` and `canonical`, which remember the strings they have seen.
"""

from __future__ import annotations

import re
from functools import lru_cache, total_ordering

DECIMAL_SI = "DecimalSI"
BINARY_SI = "BinarySI"
DECIMAL_EXPONENT = "DecimalExponent"

_NANO = 10**9
_MAX_INT64 = 2**63 - 1
_FORMAT_WRONG = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
_NUMERIC_WRONG = "unable to parse numeric part of quantity"
_SUFFIX_WRONG = "unable to parse quantity's suffix"

_scan = re.compile(r"([+-]?)0*([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)").fullmatch

_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL_SUFFIX = {exponent: suffix for suffix, exponent in _DECIMAL.items()}
_BINARY_SUFFIX = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")

# Beyond these nobody means a resource, and the arithmetic itself would become the attack.
_MAX_DIGITS = 4000
_MAX_EXPONENT = 4000


class QuantityError(ValueError):
    """A string that is no quantity; the message is the API's."""


@total_ordering
class Quantity:
    """An exact amount. Immutable; compares and hashes by amount alone (`1000m` equals `1`)."""

    __slots__ = ("_text", "format", "nanos")

    def __init__(self, nanos: int, format: str = DECIMAL_SI, text: str = "") -> None:  # noqa: A002  (the API's word)
        self.nanos = nanos
        self.format = format
        self._text = text

    @staticmethod
    def of(value: str | int | float) -> Quantity:
        """Parses what the wire carries: a string or a JSON number."""
        return parse(value)

    def value(self) -> int:
        """Whole units, rounded away from zero: whoever asks for a little gets one."""
        return _round_up(self.nanos, _NANO)

    def milli_value(self) -> int:
        return _round_up(self.nanos, 10**6)

    def scaled_value(self, exponent: int) -> int:
        """In units of 10**exponent, rounded away from zero."""
        if exponent >= -9:
            return _round_up(self.nanos, int(10 ** (exponent + 9)))
        return self.nanos * int(10 ** (-9 - exponent))

    def is_zero(self) -> bool:
        return self.nanos == 0

    def sign(self) -> int:
        return (self.nanos > 0) - (self.nanos < 0)

    def __float__(self) -> float:
        return self.nanos / _NANO

    def __add__(self, other: Quantity) -> Quantity:
        return Quantity(self.nanos + other.nanos, self.format if self.nanos else other.format)

    def __sub__(self, other: Quantity) -> Quantity:
        return Quantity(self.nanos - other.nanos, self.format if self.nanos else other.format)

    def __mul__(self, factor: int) -> Quantity:
        return Quantity(self.nanos * factor, self.format)

    def __neg__(self) -> Quantity:
        return Quantity(-self.nanos, self.format)

    def __bool__(self) -> bool:
        return self.nanos != 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quantity) and self.nanos == other.nanos

    def __lt__(self, other: Quantity) -> bool:
        return self.nanos < other.nanos

    def __hash__(self) -> int:
        return hash(self.nanos)

    def __str__(self) -> str:
        return self._text or _canonical(self.nanos, self.format)

    def __repr__(self) -> str:
        return f"Quantity({str(self)!r})"


ZERO = Quantity(0)


@lru_cache(maxsize=16384)
def _parse_text(text: str) -> Quantity:
    matched = _scan(text)
    if not text or matched is None:
        raise QuantityError(_FORMAT_WRONG)
    sign, whole, part, suffix = matched.groups()
    whole, part = whole or "0", part or ""
    base, exponent, kind = _interpret(suffix)
    digits = whole + part
    if len(digits) > _MAX_DIGITS or exponent > _MAX_EXPONENT:
        raise QuantityError(_NUMERIC_WRONG)
    unscaled = int(digits)
    if base == 2:
        nanos = _round_up((unscaled << exponent) * _NANO, 10 ** len(part))
    else:
        power = 9 + exponent - len(part)
        nanos = unscaled * 10**power if power >= 0 else _shift_down(unscaled, -power)
    keep = text if _was_canonical(digits, part, exponent, kind) else ""
    if kind is BINARY_SI:
        if nanos > _MAX_INT64 * _NANO:
            nanos, keep = _MAX_INT64 * _NANO, ""
        elif 0 < nanos < _NANO:
            kind = DECIMAL_SI
    return Quantity(-nanos if sign == "-" else nanos, kind, keep)


def parse(value: str | int | float) -> Quantity:
    """The quantity, or QuantityError with the API's message."""
    if isinstance(value, str):
        return _parse_text(value.strip())
    if isinstance(value, float):
        # JSON writes 2 and 2.0 for the same number.
        return _parse_text(repr(value).removesuffix(".0"))
    return _parse_text(str(value))


@lru_cache(maxsize=16384)
def canonical(value: str | int | float) -> str:
    """How the API writes this quantity back."""
    return str(parse(value))


@lru_cache(maxsize=16384)
def value(quantity: str | int | float) -> int:
    """Whole units (bytes, Pods), rounded up."""
    return parse(quantity).value()


@lru_cache(maxsize=16384)
def milli_value(quantity: str | int | float) -> int:
    """Thousandths (of a CPU), rounded up."""
    return parse(quantity).milli_value()


def compare(left: str | int | float, right: str | int | float) -> int:
    """-1, 0 or 1."""
    a, b = parse(left).nanos, parse(right).nanos
    return (a > b) - (a < b)


def from_milli(amount: int, format: str = DECIMAL_SI) -> Quantity:  # noqa: A002  (the API's word)
    return Quantity(amount * 10**6, format)


def from_int(amount: int, format: str = DECIMAL_SI) -> Quantity:  # noqa: A002  (the API's word)
    return Quantity(amount * _NANO, format)


def _interpret(suffix: str) -> tuple[int, int, str]:
    """Base, exponent and format of a suffix."""
    if suffix in _DECIMAL:
        return 10, _DECIMAL[suffix], DECIMAL_SI
    if suffix in _BINARY:
        return 2, _BINARY[suffix], BINARY_SI
    if len(suffix) > 1 and suffix[0] in "eE":
        try:
            return 10, int(suffix[1:]), DECIMAL_EXPONENT
        except ValueError:
            pass
    raise QuantityError(_SUFFIX_WRONG)


def _was_canonical(digits: str, part: str, exponent: int, kind: str) -> bool:
    """Whether Kubernetes hands the very string back, which it decides from its shape alone."""
    if kind is BINARY_SI:
        if part or 15 - len(digits) - exponent * 3 // 10 - 1 < 0:
            return False
        return int(digits) & 7 != 0
    scale = exponent - len(part)
    if len(digits) > 18 or scale < -9:
        return False
    return scale % 3 == 0 and not digits.endswith("000") and digits[0] != "0"


def _round_up(amount: int, unit: int) -> int:
    return -(-amount // unit) if amount >= 0 else amount // unit


def _shift_down(unscaled: int, places: int) -> int:
    if places > len(str(unscaled)):
        return 1 if unscaled else 0
    return _round_up(unscaled, 10**places)


def _canonical(nanos: int, kind: str) -> str:
    if nanos == 0:
        return "0"
    if kind is BINARY_SI and nanos % _NANO == 0:
        whole = nanos // _NANO
        if abs(whole) >= 1024:
            step = 0
            while whole % 1024 == 0 and step < 6:
                whole //= 1024
                step += 1
            return f"{whole}{_BINARY_SUFFIX[step]}"
    mantissa, exponent = nanos, -9
    top = 18 if kind is not DECIMAL_EXPONENT else _MAX_EXPONENT
    while mantissa % 1000 == 0 and exponent < top:
        mantissa //= 1000
        exponent += 3
    if kind is DECIMAL_EXPONENT:
        return f"{mantissa}e{exponent}" if exponent else str(mantissa)
    return f"{mantissa}{_DECIMAL_SUFFIX[exponent]}"
