"""Counts that may also be said in percent."""

from __future__ import annotations

from sampan.api import names
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.resource_names import NEGATIVE

Amount = int | str


def percent_of(amount: Amount) -> int | None:
    """The number before the %; None for a plain count."""
    if isinstance(amount, str) and not names.percent(amount):
        return int(amount[:-1])
    return None


def is_zero(amount: Amount) -> bool:
    return amount == 0 if isinstance(amount, int) else percent_of(amount) in (0, None)


def validate_int_or_percent(amount: Amount, path: str, errors: Errors) -> None:
    if isinstance(amount, str):
        errors.each(path, amount, names.percent(amount))
    elif amount < 0:
        errors.invalid(path, amount, NEGATIVE)


def at_most_all(amount: Amount, path: str, errors: Errors) -> None:
    found = percent_of(amount)
    if found is not None and found > 100:
        errors.invalid(path, amount, "must not be greater than 100%")
