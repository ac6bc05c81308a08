"""LimitRanges: what a namespace's containers, Pods and claims may ask for, and ask for by default."""

from __future__ import annotations

from typing import ClassVar

from sampan.api import names, quantity
from sampan.api.types.core_v1 import LimitRange, LimitRangeItem
from sampan.apiserver.registry import resource_names
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.strategy import Strategy, WriteContext

_TYPES = ("Container", "PersistentVolumeClaim", "Pod")
_LISTS = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")


class LimitRangeStrategy(Strategy):
    allow_create_on_update: ClassVar[bool] = True

    def set_defaults(self, obj: LimitRange) -> None:
        for item in obj.spec.limits or ():
            for wire in _LISTS:
                resource_names.canonicalize(getattr(item, wire))
            if item.type == "Container":
                _container_defaults(item)

    def prepare_for_create(self, obj: LimitRange, context: WriteContext) -> None:
        """No status, no generation."""

    def validate_spec(self, obj: LimitRange, errors: Errors) -> None:
        seen: set[str] = set()
        for index, item in enumerate(obj.spec.limits or ()):
            here = f"spec.limits[{index}]"
            objections = names.qualified_name(item.type)
            if objections:
                errors.each(f"{here}.type", item.type, objections)
            elif "/" not in item.type and item.type not in _TYPES:
                errors.invalid(f"{here}.type", item.type, "must be a standard limit type or fully qualified")
            if item.type in seen:
                errors.duplicate(f"{here}.type", item.type)
            seen.add(item.type)
            _item(item, here, errors)


def _container_defaults(item: LimitRangeItem) -> None:
    default = item.default = item.default or {}
    requests = item.defaultRequest = item.defaultRequest or {}
    for name, amount in (item.max or {}).items():
        default.setdefault(name, amount)
    for name, amount in default.items():
        requests.setdefault(name, amount)
    for name, amount in (item.min or {}).items():
        requests.setdefault(name, amount)
    item.default = default or None
    item.defaultRequest = requests or None


def _names(item: LimitRangeItem, wire: str, path: str, errors: Errors) -> dict[str, quantity.Quantity]:
    found = {}
    for name, amount in (getattr(item, wire) or {}).items():
        where = f"{path}.{wire}[{name}]"
        if item.type in ("Pod", "Container"):
            resource_names.validate_container_name(name, where, errors)
        else:
            resource_names.validate_name(name, where, errors)
        found[name] = quantity.parse(amount)
    return found


def _item(item: LimitRangeItem, path: str, errors: Errors) -> None:
    most = _names(item, "max", path, errors)
    least = _names(item, "min", path, errors)
    default: dict[str, quantity.Quantity] = {}
    request: dict[str, quantity.Quantity] = {}
    if item.type == "Pod":
        for wire in ("default", "defaultRequest"):
            if getattr(item, wire):
                errors.forbidden(f"{path}.{wire}", "may not be specified when `type` is 'Pod'")
    else:
        default = _names(item, "default", path, errors)
        request = _names(item, "defaultRequest", path, errors)
    if item.type == "PersistentVolumeClaim" and "storage" not in least and "storage" not in most:
        detail = "either minimum or maximum storage value is required, but neither was provided"
        errors.required(f"{path}.limits", detail)
    ratios = _names(item, "maxLimitRequestRatio", path, errors)
    for name in dict.fromkeys((*most, *least, *default, *request, *ratios)):
        low, high, normal, asked = least.get(name), most.get(name), default.get(name), request.get(name)
        _order(path, "min", name, low, high, "min value {} is greater than max value {}", errors, low)
        _order(
            path,
            "defaultRequest",
            name,
            low,
            asked,
            "min value {} is greater than default request value {}",
            errors,
            asked,
        )
        _order(
            path,
            "defaultRequest",
            name,
            asked,
            high,
            "default request value {} is greater than max value {}",
            errors,
            asked,
        )
        _order(
            path,
            "defaultRequest",
            name,
            asked,
            normal,
            "default request value {} is greater than default limit value {}",
            errors,
            asked,
        )
        _order(path, "default", name, low, normal, "min value {} is greater than default value {}", errors, low)
        _order(path, "default", name, normal, high, "default value {} is greater than max value {}", errors, high)
        ratio = ratios.get(name)
        if ratio is not None:
            _ratio(ratio, low, high, f"{path}.maxLimitRequestRatio[{name}]", errors)
        if not resource_names.overcommit_allowed(name) and normal is not None and asked is not None and normal != asked:
            detail = f"default value {normal} must equal to defaultRequest value {asked} in {name}"
            errors.invalid(f"{path}.defaultRequest[{name}]", str(asked), detail)


def _order(
    path: str,
    wire: str,
    name: str,
    lower: quantity.Quantity | None,
    upper: quantity.Quantity | None,
    said: str,
    errors: Errors,
    value: quantity.Quantity | None,
) -> None:
    if lower is not None and upper is not None and lower > upper:
        errors.invalid(f"{path}.{wire}[{name}]", str(value), said.format(lower, upper))


def _ratio(
    ratio: quantity.Quantity,
    low: quantity.Quantity | None,
    high: quantity.Quantity | None,
    path: str,
    errors: Errors,
) -> None:
    if ratio.nanos < 10**9:
        errors.invalid(path, str(ratio), f"ratio {ratio} is less than 1")
    if low is not None and high is not None and low.nanos:
        limit = high.nanos / low.nanos
        if float(ratio) > limit:
            errors.invalid(path, str(ratio), f"ratio {ratio} is greater than max/min = {limit:f}")
