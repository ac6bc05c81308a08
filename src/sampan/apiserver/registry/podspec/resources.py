"""Requests and limits of containers and of the Pod as a whole."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from sampan.api import names, quantity
from sampan.api.errors import FieldError
from sampan.apiserver.registry import resource_names
from sampan.apiserver.registry.field import Errors, shown
from sampan.apiserver.registry.podspec.defaults import aggregate_requests

if TYPE_CHECKING:
    from sampan.api.types.core_v1 import ContainerResizePolicy, PodSpec, ResourceClaim, ResourceRequirements

NameRule = Callable[[str, str, Errors], object]


def validate_requirements(
    requirements: ResourceRequirements,
    path: str,
    errors: Errors,
    claims: Collection[str] = (),
    name_rule: NameRule = resource_names.validate_container_name,
) -> None:
    limits, requests = requirements.limits, requirements.requests
    if limits or requests:
        limits, requests = limits or {}, requests or {}
        for name, amount in limits.items():
            _amount(name, amount, f"{path}.limits[{name}]", errors, name_rule)
        for name, amount in requests.items():
            _amount(name, amount, f"{path}.requests[{name}]", errors, name_rule, last=False)
            _against_limit(name, amount, limits, path, errors)
            _huge_pages(name, amount, f"{path}.requests[{name}]", errors)
        mentioned = {*limits, *requests}
        if mentioned.isdisjoint(("cpu", "memory")) and any(resource_names.is_huge_page(n) for n in mentioned):
            errors.forbidden(path, "HugePages require cpu or memory")
    if requirements.claims:
        _claims(requirements.claims, claims, f"{path}.claims", errors)


def _amount(
    name: str, amount: str | int | float, path: str, errors: Errors, name_rule: NameRule, *, last: bool = True
) -> None:
    name_rule(name, path, errors)
    resource_names.validate_amount(name, amount, path, errors)
    if last:
        _huge_pages(name, amount, path, errors)


def _huge_pages(name: str, amount: str | int | float, path: str, errors: Errors) -> None:
    if resource_names.is_huge_page(name):
        parsed = quantity.parse(amount)
        if not resource_names.huge_page_divisible(name, parsed):
            errors.invalid(path, str(parsed), f"{parsed} is not positive integer multiple of {name}")


def _against_limit(
    name: str, amount: str | int | float, limits: dict[str, str | int | float], path: str, errors: Errors
) -> None:
    limit = limits.get(name)
    if limit is None:
        if not resource_names.overcommit_allowed(name):
            errors.required(f"{path}.limits", "Limit must be set for non overcommitable resources")
        return
    if amount == limit:
        return
    asked, most = quantity.parse(amount), quantity.parse(limit)
    if asked != most and not resource_names.overcommit_allowed(name):
        errors.invalid(f"{path}.requests", str(asked), f"must be equal to {name} limit of {most}")
    elif asked > most:
        errors.invalid(f"{path}.requests", str(asked), f"must be less than or equal to {name} limit of {most}")


def _claims(claims: Sequence[ResourceClaim], known: Collection[str], path: str, errors: Errors) -> None:
    seen: set[str] = set()
    for index, claim in enumerate(claims):
        here = f"{path}[{index}]"
        if not claim.name:
            errors.required(here)
            continue
        if claim.name in seen:
            errors.duplicate(here, claim.name)
        else:
            key = claim.name
            if claim.request:
                errors.each(f"{here}.request", claim.request, names.dns1123_label(claim.request))
                key = f"{claim.name}/{claim.request}"
            if key in seen:
                errors.duplicate(here, key)
            elif not claim.request and any(s.partition("/")[0] == claim.name for s in seen):
                errors.duplicate(here, claim.name)
            seen.add(key)
        if claim.name not in known:
            tail = f": {', '.join(sorted(known))}" if known else " which is empty"
            text = f"Not found: {shown(claim.name)}: must be one of the names in pod.spec.resourceClaims{tail}"
            errors.append(FieldError("FieldValueNotFound", here, text))


def validate_resize_policy(
    policies: Sequence[ContainerResizePolicy], restart_policy: str | None, path: str, errors: Errors
) -> None:
    seen: set[str] = set()
    for index, policy in enumerate(policies):
        if policy.resourceName in seen:
            errors.duplicate(f"{path}[{index}]", policy.resourceName)
        seen.add(policy.resourceName)
        if not policy.resourceName:
            errors.required(path)
        elif policy.resourceName not in ("cpu", "memory"):
            errors.unsupported(path, policy.resourceName, ("cpu", "memory"))
        if not policy.restartPolicy:
            errors.required(path)
        elif policy.restartPolicy not in ("NotRequired", "RestartContainer"):
            errors.unsupported(path, policy.restartPolicy, ("NotRequired", "RestartContainer"))
        if restart_policy == "Never" and policy.restartPolicy != "NotRequired":
            errors.invalid(path, policy.restartPolicy, "must be 'NotRequired' when `restartPolicy` is 'Never'")


def _pod_level_name(name: str, path: str, errors: Errors) -> None:
    known = resource_names.validate_name(name, path, errors)
    if known and name not in ("cpu", "memory") and not resource_names.is_huge_page(name):
        errors.unsupported(path, name, resource_names.POD_LEVEL)


def validate_pod_resources(spec: PodSpec, path: str, errors: Errors) -> None:
    """Resources of the whole Pod: at least what the containers ask, at most what each may use."""
    resources = spec.resources
    if resources is None:
        return
    here = f"{path}.resources"
    if resources.claims is not None:
        errors.forbidden(f"{here}.claims", "claims cannot be set for Resources at pod-level")
    validate_requirements(resources, here, errors, name_rule=_pod_level_name)
    asked = resources.requests or {}
    for name, amount in aggregate_requests(spec).items():
        total, given = quantity.parse(amount), quantity.parse(asked.get(name, "0"))
        if total > given:
            detail = f"must be greater than or equal to aggregate container requests of {total}"
            errors.invalid(f"{here}.requests[{name}]", str(given), detail)
    for index, container in enumerate(spec.containers):
        for name, amount in (container.resources.limits or {}).items():
            limit = (resources.limits or {}).get(name)
            if limit is not None and quantity.compare(amount, limit) > 0:
                detail = f"must be less than or equal to pod limits of {quantity.canonical(limit)}"
                errors.invalid(f"{here}.containers[{index}][{name}].limits", quantity.canonical(amount), detail)
