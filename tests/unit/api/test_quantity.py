"""Quantities keep every digit, and print as Kubernetes prints them."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.api import quantity
from sampan.api.quantity import Quantity, QuantityError

from . import golden


@pytest.mark.parametrize(
    ("written", "canonical", "value", "milli"),
    [
        ("0.1", "100m", 1, 100),
        ("1024Mi", "1Gi", 2**30, 2**30 * 1000),
        ("1e3", "1e3", 1000, 10**6),
        ("1E3", "1E3", 1000, 10**6),
        ("1e2", "100", 100, 10**5),
        ("1.5Gi", "1536Mi", 1536 * 2**20, 1536 * 2**20 * 1000),
        ("0.5", "500m", 1, 500),
        ("100000", "100k", 10**5, 10**8),
        ("3000m", "3", 3, 3000),
        ("0", "0", 0, 0),
        ("0Gi", "0", 0, 0),
        ("1023Ki", "1023Ki", 1023 * 1024, 1023 * 1024 * 1000),
        ("0.1Mi", "104857600m", 104858, 104857600),
        ("-1.5", "-1500m", -2, -1500),
        ("0.0000000001", "1n", 1, 1),
        ("16Ei", "9223372036854775807", 2**63 - 1, (2**63 - 1) * 1000),
        ("1E", "1E", 10**18, 10**21),
        (1000, "1k", 1000, 10**6),
        (0.1, "100m", 1, 100),
        (2.0, "2", 2, 2000),
        (" 5 ", "5", 5, 5000),
    ],
)
def test_canonical_form_and_rounding(written: str | int | float, canonical: str, value: int, milli: int) -> None:
    assert quantity.canonical(written) == canonical
    assert quantity.value(written) == value
    assert quantity.milli_value(written) == milli


FORMAT = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("", FORMAT),
        ("a", FORMAT),
        ("1 Gi", FORMAT),
        ("1.2.3", FORMAT),
        ("1K", "unable to parse quantity's suffix"),
        ("1e", "unable to parse quantity's suffix"),
        ("1e99999999", "unable to parse numeric part of quantity"),
        ("9" * 5000, "unable to parse numeric part of quantity"),
    ],
)
def test_refusals(written: str, message: str) -> None:
    with pytest.raises(QuantityError) as refused:
        quantity.parse(written)
    assert str(refused.value) == message


def test_the_recorded_refusal() -> None:
    row = next(r for r in golden.rows("invalid.json") if r["name"] == "bad quantity")
    assert FORMAT in row["response"]["body"]["message"]


def test_sums_keep_the_first_format() -> None:
    assert str(quantity.parse("1Gi") + quantity.parse("1Mi")) == "1025Mi"
    assert str(quantity.ZERO + quantity.parse("1Gi")) == "1Gi"
    assert str(quantity.parse("1") - quantity.parse("100m")) == "900m"
    assert str(quantity.parse("1G") + quantity.parse("1Gi")) == "2073741824"


def test_comparison_is_by_amount() -> None:
    assert quantity.parse("1000m") == quantity.parse("1")
    assert quantity.parse("1G") < quantity.parse("1Gi")
    assert quantity.compare("1", "999m") == 1
    assert len({quantity.parse("1000m"), quantity.parse("1")}) == 1
    assert not quantity.parse("0Ki")


numbers = st.builds(
    lambda whole, part, suffix: f"{whole}.{part}{suffix}" if part else f"{whole}{suffix}",
    st.integers(-(10**6), 10**6),
    st.sampled_from(["", "5", "25", "125", "001"]),
    st.sampled_from(["", "m", "u", "k", "M", "G", "Ki", "Mi", "Gi", "e3", "e-3", "E2"]),
)
UNITS = {"m": -3, "u": -6, "k": 3, "M": 6, "G": 9, "e3": 3, "e-3": -3, "E2": 2, "": 0}


def exact(written: str) -> Fraction:
    for suffix, power in (("Ki", 10), ("Mi", 20), ("Gi", 30)):
        if written.endswith(suffix):
            return Fraction(written.removesuffix(suffix)) * 2**power
    suffix = next(s for s in sorted(UNITS, key=len, reverse=True) if written.endswith(s))
    return Fraction(written.removesuffix(suffix) if suffix else written) * Fraction(10) ** UNITS[suffix]


@given(numbers)
def test_round_trip(written: str) -> None:
    read = quantity.parse(written)
    assert quantity.parse(str(read)) == read
    # Once printed, the form is settled; of a binary number that no binary unit divides, once it was printed plain.
    printed = str(quantity.parse(str(Quantity(read.nanos, read.format))))
    assert str(quantity.parse(printed)) == printed
    amount = exact(written) * 10**9
    assert amount <= read.nanos < amount + 1 if amount >= 0 else amount - 1 < read.nanos <= amount


@given(numbers, numbers)
def test_arithmetic_is_exact(a: str, b: str) -> None:
    x, y = quantity.parse(a), quantity.parse(b)
    assert (x + y).nanos == x.nanos + y.nanos
    assert x + y - y == x
    assert (x < y) == (x.nanos < y.nanos)
    assert (-x).nanos == -x.nanos
