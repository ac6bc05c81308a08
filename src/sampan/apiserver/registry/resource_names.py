"""Which resources exist, which count whole things, and which may be overcommitted."""

from __future__ import annotations

from functools import lru_cache

from sampan.api import names, quantity
from sampan.apiserver.registry.field import Errors

NEGATIVE = "must be greater than or equal to 0"
NOT_INTEGER = "must be an integer"
HUGE_PAGES = "hugepages-"

_COMPUTE = frozenset(("cpu", "memory", "ephemeral-storage"))
_COUNTED = frozenset((
    "pods", "resourcequotas", "services", "replicationcontrollers", "secrets", "configmaps", "persistentvolumeclaims",
    "services.nodeports", "services.loadbalancers",
))  # fmt: skip
_STANDARD = _COMPUTE | _COUNTED | frozenset((
    "requests.cpu", "requests.memory", "requests.ephemeral-storage", "requests.storage",
    "limits.cpu", "limits.memory", "limits.ephemeral-storage", "storage",
))  # fmt: skip
_QUOTA = _STANDARD - {"storage"}
POD_LEVEL = ("cpu", "hugepages-", "memory")


def is_huge_page(name: str) -> bool:
    return name.startswith(HUGE_PAGES)


def is_standard_quota(name: str) -> bool:
    return name in _QUOTA or name.startswith(("requests.hugepages-", "hugepages-"))


@lru_cache(maxsize=1024)
def is_native(name: str) -> bool:
    return "/" not in name or "kubernetes.io/" in name


@lru_cache(maxsize=1024)
def is_extended(name: str) -> bool:
    if is_native(name) or name.startswith("requests."):
        return False
    return not names.qualified_name(f"requests.{name}")


@lru_cache(maxsize=1024)
def is_integer(name: str) -> bool:
    return name in _COUNTED or is_extended(name)


@lru_cache(maxsize=1024)
def overcommit_allowed(name: str) -> bool:
    return is_native(name) and not is_huge_page(name)


def validate_name(name: str, path: str, errors: Errors) -> bool:
    objections = names.qualified_name(name)
    if objections:
        errors.each(path, name, objections)
        return False
    if "/" not in name and name not in _STANDARD and not name.startswith((HUGE_PAGES, "requests.hugepages-")):
        errors.invalid(path, name, "must be a standard resource type or fully qualified")
        return False
    return True


def validate_container_name(name: str, path: str, errors: Errors) -> None:
    if name in _COMPUTE:
        return
    validate_name(name, path, errors)
    if "/" not in name:
        if not is_huge_page(name):
            errors.invalid(path, name, "must be a standard resource for containers")
    elif not is_native(name) and not is_extended(name):
        errors.invalid(path, name, "doesn't follow extended resource name standard")


def validate_quota_name(name: str, path: str, errors: Errors) -> None:
    validate_name(name, path, errors)
    if "/" not in name and not is_standard_quota(name):
        errors.invalid(path, name, "must be a standard resource for quota")


def validate_amount(name: str, amount: str | int | float, path: str, errors: Errors) -> None:
    parsed = quantity.parse(amount)
    if parsed.nanos < 0:
        errors.invalid(path, str(parsed), NEGATIVE)
    if is_integer(name) and parsed.milli_value() % 1000:
        errors.invalid(path, str(parsed), NOT_INTEGER)


def huge_page_divisible(name: str, amount: quantity.Quantity) -> bool:
    try:
        size = quantity.value(name.removeprefix(HUGE_PAGES))
    except quantity.QuantityError:
        return False
    return size > 0 and amount.value() % size == 0


@lru_cache(maxsize=16384)
def canonical_amount(amount: str | int | float) -> str:
    """How a resource list keeps an amount: nothing finer than thousandths."""
    parsed = quantity.parse(amount)
    if parsed.nanos % 10**6 == 0:
        return str(parsed)
    return str(quantity.from_milli(parsed.milli_value(), parsed.format))


def canonicalize(amounts: dict[str, str | int | float] | None) -> None:
    if amounts:
        for name, amount in amounts.items():
            amounts[name] = canonical_amount(amount)
