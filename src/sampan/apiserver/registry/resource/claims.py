"""What a claim asks of devices: its defaults and rules. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sampan.api import names
from sampan.api.types.resource_v1 import DeviceClaim
from sampan.apiserver.registry.field import Errors

_MOST, _MOST_AVAILABLE = 32, 8
_MOST_EXPRESSION, _MOST_DRIVER = 10 * 1024, 63
_EITHER = "exactly one of `exactly` or `firstAvailable` is required"
_REFERENCE = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"
_OPERATORS, _EFFECTS = ("Equal", "Exists"), ("NoExecute", "NoSchedule")


def default_claim(devices: DeviceClaim) -> None:
    for request in devices.requests or ():
        for wanted in [*([request.exactly] if request.exactly else []), *(request.firstAvailable or ())]:
            wanted.allocationMode = wanted.allocationMode or "ExactCount"
            if wanted.allocationMode == "ExactCount" and not wanted.count:
                wanted.count = 1
            for toleration in wanted.tolerations or ():
                toleration.operator = toleration.operator or "Equal"


def validate_claim(devices: DeviceClaim, path: str, errors: Errors) -> None:
    known = {r.name: {s.name for s in r.firstAvailable or ()} for r in devices.requests or ()}
    _unique(devices.requests, f"{path}.requests", errors, lambda r: str(r.name))
    for at, request in enumerate(devices.requests or ()):
        _request(request, f"{path}.requests[{at}]", errors)
    _unique(devices.constraints, f"{path}.constraints", errors, None)
    for at, constraint in enumerate(devices.constraints or ()):
        here = f"{path}.constraints[{at}]"
        _references(constraint.requests, f"{here}.requests", known, errors)
        attribute = constraint.matchAttribute or constraint.distinctAttribute
        if attribute is None:
            errors.required(here, 'exactly one of "matchAttribute" or "distinctAttribute" is required')
        elif "/" not in attribute:
            where = f"{here}.{'matchAttribute' if constraint.matchAttribute is not None else 'distinctAttribute'}"
            errors.invalid(where, attribute, "must include a domain")
    _unique(devices.config, f"{path}.config", errors, None)
    for at, config in enumerate(devices.config or ()):
        here = f"{path}.config[{at}]"
        _references(config.requests, f"{here}.requests", known, errors)
        validate_configuration(config, here, errors)


def validate_selectors(selectors: Sequence[Any] | None, path: str, errors: Errors) -> None:
    _unique(selectors, path, errors, None)
    for at, selector in enumerate(selectors or ()):
        where = f"{path}[{at}].cel"
        if selector.cel is None:
            errors.required(where)
        elif not selector.cel.expression:
            errors.required(f"{where}.expression")
        elif len(selector.cel.expression) > _MOST_EXPRESSION:
            errors.too_long(f"{where}.expression", _MOST_EXPRESSION)


def validate_configuration(config: Any, path: str, errors: Errors) -> None:
    if config.opaque is None:
        errors.required(f"{path}.opaque")
        return
    validate_driver(config.opaque.driver, f"{path}.opaque.driver", errors)
    if config.opaque.parameters is None:
        errors.required(f"{path}.opaque.parameters")
    elif not isinstance(config.opaque.parameters, dict):
        errors.invalid(f"{path}.opaque.parameters", "<value omitted>", "must be a valid JSON object")


def validate_driver(driver: str, path: str, errors: Errors) -> None:
    if not driver:
        errors.required(path)
        return
    if len(driver) > _MOST_DRIVER:
        errors.too_long(path, _MOST_DRIVER)
    errors.each(path, driver, names.dns1123_subdomain(driver.lower()))


def _request(request: Any, path: str, errors: Errors) -> None:
    errors.each(f"{path}.name", request.name, names.dns1123_label(request.name))
    if request.exactly is None and not request.firstAvailable:
        errors.required(path, _EITHER)
    elif request.exactly is not None and request.firstAvailable:
        errors.wrong(path, f"{_EITHER}, but multiple fields are set")
    elif request.exactly is not None:
        _wanted(request.exactly, f"{path}.exactly", errors)
    else:
        where = f"{path}.firstAvailable"
        _unique(request.firstAvailable, where, errors, lambda r: str(r.name), _MOST_AVAILABLE)
        for at, wanted in enumerate(request.firstAvailable):
            errors.each(f"{where}[{at}].name", wanted.name, names.dns1123_label(wanted.name))
            _wanted(wanted, f"{where}[{at}]", errors)


def _wanted(wanted: Any, path: str, errors: Errors) -> None:
    if not wanted.deviceClassName:
        errors.required(f"{path}.deviceClassName")
    else:
        errors.each(f"{path}.deviceClassName", wanted.deviceClassName, names.dns1123_subdomain(wanted.deviceClassName))
    validate_selectors(wanted.selectors, f"{path}.selectors", errors)
    if wanted.allocationMode == "All":
        if wanted.count:
            errors.invalid(f"{path}.count", wanted.count, "must not be specified when allocationMode is 'All'")
    elif wanted.allocationMode == "ExactCount":
        if (wanted.count or 0) <= 0:
            errors.invalid(f"{path}.count", wanted.count or 0, "must be greater than zero")
    else:
        errors.unsupported(f"{path}.allocationMode", wanted.allocationMode or "", ("All", "ExactCount"))
    for at, toleration in enumerate(wanted.tolerations or ()):
        _toleration(toleration, f"{path}.tolerations[{at}]", errors)


def _toleration(toleration: Any, path: str, errors: Errors) -> None:
    if toleration.key:
        errors.each(f"{path}.key", toleration.key, names.qualified_name(toleration.key))
    if toleration.operator == "Exists":
        if toleration.value:
            errors.invalid(f"{path}.value", toleration.value, "must be empty for operator `Exists`")
    elif toleration.operator == "Equal":
        errors.each(f"{path}.value", toleration.value or "", names.label_value(toleration.value or ""))
    elif not toleration.operator:
        errors.required(f"{path}.operator")
    else:
        errors.unsupported(f"{path}.operator", toleration.operator, _OPERATORS)
    if toleration.effect and toleration.effect not in _EFFECTS:
        errors.unsupported(f"{path}.effect", toleration.effect, _EFFECTS)


def _references(listed: Sequence[str] | None, path: str, known: dict[str, set[str]], errors: Errors) -> None:
    _unique(listed, path, errors, str)
    for at, name in enumerate(listed or ()):
        request, slash, part = name.partition("/")
        if "/" in part:
            errors.invalid(f"{path}[{at}]", name, _REFERENCE)
            continue
        for piece in (request, part) if slash else (request,):
            errors.each(f"{path}[{at}]", piece, names.dns1123_label(piece))
        if request not in known or (slash and part not in known[request]):
            errors.invalid(f"{path}[{at}]", name, _REFERENCE)


def _unique(
    listed: Sequence[Any] | None, path: str, errors: Errors, key: Callable[[Any], str] | None, most: int = _MOST
) -> None:
    if len(listed or ()) > most:
        errors.too_many(path, len(listed or ()), most)
    seen: set[str] = set()
    for at, item in enumerate(listed or ()):
        if key is None:
            return
        if key(item) in seen:
            errors.duplicate(f"{path}[{at}]", key(item))
        seen.add(key(item))
